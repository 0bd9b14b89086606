// What a session's request carries when its reply is not simply passed on.
#ifndef WEIR_PROXY_CLIENT_REQUEST_TASK_H_
#define WEIR_PROXY_CLIENT_REQUEST_TASK_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/plugin.h"
#include "proxy/backend/request.h"
#include "proxy/client/local_commands.h"
#include "proxy/client/pinned.h"

namespace weir {

class LinkGroup;

struct RequestTask final : RequestExtra {
  static constexpr size_t kCollectBytesMax = size_t{16} << 20;

  LocalOutcome::Ask ask;                                 // finish null: nobody asked
  LocalOutcome::Gather gather;                           // of a request that all workers answer
  PluginSet reply_marks = 0;                             // the plugins whose OnReply gets it
  size_t reply_head_bytes = 0;                           // and how much of it; 0: all
  std::vector<std::unique_ptr<RequestView::Kept>> kept;  // of plugins
  bool too_large = false;
  // Called when the whole reply is there. True: it waits until Session::FinishAwaited().
  std::function<bool(Request&, std::string_view)> await;
  bool silence_applied = false;  // `ask` leaves out itself what CLIENT REPLY wants unsaid
  LinkGroup* group = nullptr;  // held until the reply is there, if it is another than the session's
  std::vector<Pinned::ScriptChange> script_changes;  // of EXEC: come true with it
  std::string collected;
  std::string shown_words;  // for MONITOR, once the answer has decided on the db
  // Of a script in place of a request: its text, and what was said of it when its connection broke.
  std::string_view script_text;
  uint64_t script_known_for_ms = 0;
  std::string unknown_line;

  bool Collect(std::string_view bytes) {
    if (collected.size() + bytes.size() > kCollectBytesMax) return false;
    collected += bytes;
    return true;
  }
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_REQUEST_TASK_H_
