// A transaction that arrives in one piece, from MULTI to EXEC, goes over a shared link.
//
// A connection of its own keeps a transaction apart from other clients' requests, and costs system
// calls of its own on both sides. But a transaction whose end is known before its beginning is sent
// needs none: its requests go to the link side by side, so nothing of others can come between them,
// and whatever EXEC answers, the transaction has ended behind it. Redis ends one also when it
// refuses EXEC itself (EXECABORT); if it does not know EXEC by that name, the link breaks before
// anybody gets a wrong reply (see Link::TakeTransactionReply).
//
// Only ordinary commands may stand in it: what weir answers, denies, corrects or remembers
// (scripts) takes the other way, and so does every transaction of a client that holds anything, or
// that a plugin or MONITOR looks at. Source:
// https://redis.io/docs/latest/develop/using-commands/transactions
#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "plugins/text.h"
#include "proxy/backend/link.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/asked.h"
#include "proxy/client/dispatcher.h"
#include "proxy/worker.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr uint32_t kRequestsMax = 1024;  // in one transaction; a longer one gets its own connection

struct Part {
  const CommandEntry* entry;
  std::string_view wire;
};
using Parts = absl::InlinedVector<Part, 8>;

// Whether Redis queues it, or refuses it, and weir need not know which.
bool MayBeQueued(const Plan& plan) {
  const CommandEntry* entry = plan.entry;
  return plan.kind == PlanKind::kSingle && entry != nullptr && entry->spec != nullptr &&
         entry->handling == Handling::kShared && entry->script == ScriptUse::kNone &&
         !entry->runs_script && !entry->counts_receivers;
}

bool Is(const Plan& plan, PinEffect effect, const ParsedRequest& parsed) {
  return plan.kind == PlanKind::kPinned && plan.entry != nullptr && plan.entry->effect == effect &&
         parsed.argc == 1;
}

// The bytes of the transaction that stands at the beginning of `data`; 0: none does, or not all of
// it is there, or it has something in it that cannot go this way.
size_t FindTransaction(RequestParser& parser, const UpstreamSnapshot& known, std::string_view data,
                       uint32_t requests_max, Parts* parts) {
  ParseState state;
  ParsedRequest parsed;
  size_t bytes = 0;
  while (parts->size() < requests_max) {
    if (parser.Parse(&state, data.substr(bytes), &parsed) != ParseStatus::kRequest) return 0;
    if (parsed.rewritten || parsed.consumed != parsed.wire.size()) return 0;
    const Plan plan = MakePlan(*known.routing, *known.topology, parsed);
    bytes += parsed.consumed;
    parts->push_back({plan.entry, parsed.wire});
    if (parts->size() == 1) {
      if (!Is(plan, PinEffect::kMulti, parsed)) return 0;
    } else if (Is(plan, PinEffect::kExec, parsed)) {
      return bytes;
    } else if (!MayBeQueued(plan)) {
      return 0;
    }
  }
  return 0;
}

}  // namespace

bool Dispatcher::BeginsTransaction(std::string_view data) {
  constexpr std::string_view kHead = "*1\r\n$5\r\n";
  return data.starts_with(kHead) && EqualsIgnoreCase(data.substr(kHead.size(), 7), "multi\r\n");
}

size_t Dispatcher::TakeTransaction(Chunk* chunk, std::string_view data, uint32_t* count) {
  Session& session = session_;
  Upstream& upstream = worker_.UpstreamAt(session.upstream_);
  if (!SessionIsPlain() || !session.conversation_.authenticated ||
      !upstream.snapshot().topology->is_single() ||
      upstream.standstill().PauseLeftMs(worker_.context().NowMs()) != 0) {
    return 0;
  }
  Parts parts;
  const uint32_t depth_left = worker_.depth_max() - session.unanswered_;  // it is not paused
  const size_t bytes = FindTransaction(worker_.parser(), upstream.snapshot(), data,
                                       std::min(depth_left, kRequestsMax), &parts);
  if (bytes == 0) return 0;
  *count = static_cast<uint32_t>(parts.size());
  Link* link = session.group_->Shared(session.conversation_.id, /*for_script=*/false);
  const bool elsewhere = session.on_links_ != 0 && session.flow_ != link;
  // Where nobody has used the link before, the next transaction shall find it open.
  if (link != nullptr && link->state() == Link::State::kIdle) link->Connect();
  if (link == nullptr || elsewhere || !link->TakesTransaction(*count)) return *count = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const InTransaction place = i == 0                  ? InTransaction::kFirst
                                : i + 1 == parts.size() ? InTransaction::kLast
                                                        : InTransaction::kPart;
    SendInTransaction(link, place, parts[i].entry, chunk, parts[i].wire);
  }
  if (session.unanswered_ >= worker_.depth_max()) session.SetPause(Pause::kDepth);
  return bytes;
}

// REQUIRES: the link TakesTransaction with room for this.
void Dispatcher::SendInTransaction(Link* link, InTransaction place, const CommandEntry* entry,
                                   Chunk* chunk, std::string_view wire) {
  Request* tail = session_.tail_;
  if (place == InTransaction::kPart && tail->entry == entry && worker_.joins_runs() &&
      link->CanExtend(tail)) {
    link->Extend(tail, chunk, wire);
    ++session_.unanswered_;
    worker_.context().stats.requests_in_flight.Add(1);
    return;
  }
  const AskedScope asked(worker_, chunk, wire, /*rewritten=*/false);
  Request* request = session_.Push(entry);
  request->in_transaction = place;
  request->deadline_ms = worker_.DeadlineMs(session_.upstream_, nullptr);
  if (!link->Send(request, chunk, wire)) {
    // A connection that is ready takes all.
    session_.AnswerAt(request, Concat(link->RefusalLine(), "\r\n"));
    return;
  }
  ++session_.on_links_;
  session_.flow_ = link;
}

}  // namespace weir
