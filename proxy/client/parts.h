// A request that several nodes answer together: what of their replies is there so far.
#ifndef WEIR_PROXY_CLIENT_PARTS_H_
#define WEIR_PROXY_CLIENT_PARTS_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/plugin.h"
#include "proxy/backend/request.h"
#include "proxy/client/conversation.h"
#include "routing/split.h"
#include "routing/spread.h"

namespace weir {

// Of the whole request, which stands in its session's queue; its parts stand only in links'.
struct PartsTask final : RequestExtra {
  struct Part {
    Request* request = nullptr;  // null: answered
    NodeIndex home = kNoNode;    // the node that it is for; kNoNode: whoever has its slot
    std::string reply;           // as much of it as is there
  };
  std::vector<Part> parts;
  size_t missing = 0;
  size_t reply_bytes = 0;
  std::optional<KeySplit> split;  // absent: each part is the request itself, for another node
  Merge merge = Merge::kFirst;
  uint64_t elements_max = UINT64_MAX;  // Merge::kNewestFirst
  bool changes_data = false;
  bool partial = false;       // a node that is away is left out, not waited for
  PluginSet reply_marks = 0;  // the plugins whose OnReply gets the merged reply
  std::vector<std::unique_ptr<RequestView::Kept>> kept;  // of plugins
  // Of what weir answers with the help of all nodes: the client's reply from theirs; null: as it
  // is.
  std::function<std::string(Conversation&, std::string_view)> finish;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_PARTS_H_
