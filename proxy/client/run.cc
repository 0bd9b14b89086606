// A pipeline of like requests, taken at once.
//
// The first of them goes the whole way: plugins, plan, permission, link. Those behind it that begin
// with the same bytes, header and name, can only be decided the same way, as long as nothing looks
// at their arguments and nothing about the session can have changed in between. So they are found
// by their lengths alone and join the first one's run, many in one step. Whoever adds a decision
// that depends on arguments, or that is made for each request, must see to it in MayRunOn.
#include <algorithm>
#include <utility>

#include "plugins/chain.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/pinned.h"
#include "proxy/client/subscriptions.h"
#include "proxy/worker.h"

namespace weir {

// Whether only the name decides what is done with the command on a shared link, and with several
// nodes its key.
bool Dispatcher::NameDecides(const CommandEntry* entry) {
  return entry != nullptr && entry->handling == Handling::kShared && !entry->needs_args &&
         entry->script == ScriptUse::kNone && !entry->runs_script && !entry->counts_receivers;
}

// Whether nothing of the session's or of plugins has a say in what is done with a request.
bool Dispatcher::NothingInterferes() const {
  return session_.conversation_.reply_mode == ReplyMode::kOn && session_.pinned_ == nullptr &&
         session_.subscriptions_ == nullptr && session_.lanes_ == nullptr &&
         !worker_.chain().has(kHookRequest) && worker_.monitors().off();
}

bool Dispatcher::SessionIsPlain() const {
  return session_.routes_ == nullptr && NothingInterferes();
}

bool Dispatcher::MayRunOn(Chunk* chunk, const ParsedRequest& parsed,
                          std::string_view following) const {
  const Session& session = session_;
  const Request* run = session.tail_;
  if (run == nullptr || session.pauses_ != 0 || parsed.rewritten || !worker_.joins_runs() ||
      !NameDecides(run->entry)) {
    return false;
  }
  const bool run_is_plain = run->in_transaction == InTransaction::kNone && !run->silent &&
                            !run->collect && !run->keeps_wire &&
                            run->received_ns == worker_.context().NowNs() &&
                            run->wire.ContinuesWith(chunk, following);
  return SessionIsPlain() && run_is_plain && run->in_link && !run->link->own() &&
         run->link->CanExtend(run) &&
         worker_.UpstreamAt(session.upstream_).snapshot().topology->is_single();
}

size_t Dispatcher::TakeAlike(Chunk* chunk, const ParsedRequest& parsed, std::string_view following,
                             uint32_t* count) {
  if (session_.routes_ != nullptr) {
    const Taken taken = std::exchange(taken_, {});
    *count = taken.requests;
    return taken.bytes;
  }
  if (following.empty() || !MayRunOn(chunk, parsed, following)) return 0;
  Request* run = session_.tail_;
  const uint32_t depth_left = worker_.depth_max() - session_.unanswered_;  // it is not paused
  const size_t head_bytes = parsed.args[0].offset + parsed.args[0].length + 2;
  const size_t bytes =
      worker_.parser().ParseAlike(following, parsed.wire.substr(0, head_bytes), parsed.argc - 1,
                                  std::min(depth_left, run->link->room()), count);
  if (*count == 0) return 0;
  run->link->Extend(run, chunk, following.substr(0, bytes), *count);
  session_.unanswered_ += *count;
  worker_.context().stats.requests_in_flight.Add(*count);
  if (session_.unanswered_ >= worker_.depth_max()) session_.SetPause(Pause::kDepth);
  return bytes;
}

}  // namespace weir
