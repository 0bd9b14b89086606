// The bytes of a request, kept until it is answered: for the slow log and the counts of keys.
//
// While either is on, a run keeps a reference to the chunk that it was read from. What stands there
// is read again only of a request that turned out to be of interest.
#ifndef WEIR_PROXY_CLIENT_ASKED_H_
#define WEIR_PROXY_CLIENT_ASKED_H_

#include <cstdint>
#include <string_view>

#include "proxy/backend/request.h"
#include "proxy/net/buffer.h"
#include "proxy/worker.h"
#include "resp/request_parser.h"
#include "routing/arg_list.h"

namespace weir {

struct CommandEntry;

// While it lives, requests that are made keep the bytes of the one in hand, if anybody wants them.
class AskedScope {
 public:
  // `wire` in `chunk`, or nowhere that lasts if `rewritten`.
  AskedScope(Worker& worker, Chunk* chunk, std::string_view wire, bool rewritten)
      : worker_(worker), on_(worker.keeps_asked()) {
    if (on_) [[unlikely]]
      Begin(chunk, wire, rewritten);
  }
  ~AskedScope() {
    if (on_) [[unlikely]]
      worker_.asked() = {};
  }
  AskedScope(const AskedScope&) = delete;
  AskedScope& operator=(const AskedScope&) = delete;

 private:
  void Begin(Chunk* chunk, std::string_view wire, bool rewritten);

  Worker& worker_;
  const bool on_;
  Slice copy_;
};

// Reads the requests of a run again, in their order. REQUIRES: request.asked_in.
class AskedReader {
 public:
  AskedReader(Worker& worker, const Request& request);

  // To the next one. False: there is none, or weir has asked it on behalf of what the client sent.
  bool Next();

  // Of WEIR.ON and WEIR.IDEM, the command within, unless it was refused. Valid until Next().
  const ArgList& args() const { return args_; }
  const CommandEntry* entry() const { return entry_; }  // null: weir's table has no such command
  // Above args().size() if it is too large for weir to hold.
  uint32_t argc_declared() const { return argc_declared_; }
  size_t bytes() const { return parsed_.consumed; }

 private:
  Worker& worker_;
  const Request& request_;
  std::string_view rest_;
  ParsedRequest parsed_;
  ArgList args_{parsed_};
  uint32_t argc_declared_ = 0;
  const CommandEntry* entry_ = nullptr;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_ASKED_H_
