// What the dispatcher does differently when there are several nodes: see routes.h.
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/cluster_tracking.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/pin.h"
#include "proxy/client/request_task.h"
#include "proxy/client/routes.h"
#include "proxy/worker.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

constexpr std::string_view kCrossSlot = "-CROSSSLOT Keys in request don't hash to the same slot";
constexpr std::string_view kNotServed = "-CLUSTERDOWN Hash slot not served";
constexpr std::string_view kNoNodes =
    "-DOWN weir: no node of the cluster has said yet which slots it serves";

constexpr std::string_view kNoReplica =
    "-DOWN weir: no replica can be read from, and read_from = \"replica\" allows nothing else";

// Whether it may be read from a replica.
bool IsPlainRead(const Plan& plan) {
  return plan.kind == PlanKind::kSingle && plan.slot != kNoSlot && plan.entry != nullptr &&
         plan.entry->spec != nullptr && plan.entry->spec->flags.Has(CommandFlag::kReadonly) &&
         !plan.entry->runs_script;
}

// What makes no sense where a client sees one server, or cannot be had from several yet.
std::string_view RefusalOf(const CommandEntry* entry) {
  if (entry == nullptr || entry->spec == nullptr) return {};
  const std::string_view name = entry->spec->name;
  const bool of_cluster = entry->spec->parent != nullptr && entry->spec->parent->name == "cluster";
  if (of_cluster || name == "asking" || name == "readonly" || name == "readwrite") {
    return "-ERR This instance has cluster support disabled";
  }
  return {};
}

}  // namespace

// ---- any request

// False: the map has changed, and what was sent by the old one must be answered first; or something
// has to be sent again first.
bool Dispatcher::SettleRoutes() {
  Routes& routes = *session_.routes_;
  if (!routes.detours.empty()) {
    session_.SetPause(Pause::kWait);
    return false;
  }
  const uint64_t epoch = worker_.UpstreamAt(session_.upstream_).map().epoch();
  if (routes.epoch == epoch) [[likely]]
    return true;
  if (session_.on_links_ != 0) {
    session_.SetPause(Pause::kOrder);
    return false;
  }
  routes.ReleaseGroups();
  routes.epoch = epoch;
  session_.UpdateGroup();
  return true;
}

// The node for a request; kNoNode: there is none now.
NodeIndex Dispatcher::NodeFor(const Plan& plan) const {
  const NodeMap& map = worker_.UpstreamAt(session_.upstream_).map();
  if (plan.slot != kNoSlot) [[likely]]
    return map.PrimaryOf(static_cast<uint16_t>(plan.slot));
  // Where weir itself subscribes, so that the reply counts its connection.
  if (plan.entry != nullptr && plan.entry->counts_receivers) {
    return worker_.UpstreamAt(session_.upstream_)
        .MessageNode(worker_.CountsOf(session_.upstream_).turn());
  }
  return session_.group_->key().node;
}

// Nothing can be sent now. Later it may, so the request waits where it is, within the budget.
bool Dispatcher::WaitForNode(const Plan& plan, const Input& input, std::string_view line) {
  Routes& routes = *session_.routes_;
  Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  const uint64_t now_ms = worker_.context().NowMs();
  if (routes.waits_since_ms == 0) routes.waits_since_ms = now_ms;
  const auto budget_ms = static_cast<uint64_t>(upstream.config().retry_budget_ms);
  if (now_ms - routes.waits_since_ms >= budget_ms) {
    routes.waits_since_ms = 0;
    worker_.context().stats.requests_failed_down.Add();
    return Refuse(plan.entry, line, input);
  }
  upstream.WantRefresh(line);
  session_.SetPause(Pause::kWait);
  session_.WakeAfter(Routes::kPauseMs);
  return false;
}

bool Dispatcher::WaitForAnyNode(const Plan& plan, const Input& input) {
  const NodeMap& map = worker_.UpstreamAt(session_.upstream_).map();
  return WaitForNode(plan, input, map.serves_slots() ? kNotServed : kNoNodes);
}

// The shared link to the node, if the request may go on it now; otherwise what was done instead.
std::optional<bool> Dispatcher::FindRoute(const Plan& plan, const Input& input, NodeIndex node,
                                          bool for_script, Link** found) {
  if (node == kNoNode) [[unlikely]]
    return WaitForAnyNode(plan, input);
  Routes& routes = *session_.routes_;
  LinkGroup* group = routes.at(node).group;
  if (group == nullptr) [[unlikely]]
    group = session_.GroupAt(node);
  Link* link = group->Shared(session_.conversation_.id, for_script);
  if (link == nullptr) [[unlikely]] {
    const std::string line = group->key().tracker != 0
                                 ? worker_.TooManyPinnedLine(session_.upstream_)
                                 : worker_.TooManyLinksLine(session_.upstream_);
    return Refuse(plan.entry, line, input);
  }
  if (session_.on_links_ != 0) {
    const Route& route = routes.at(node);
    const bool on_own = session_.own_link_ != nullptr && session_.flow_ == session_.own_link_;
    const bool on_another = route.in_flight != 0 && route.link != link;
    if (on_own || routes.scripts != for_script || on_another) [[unlikely]] {
      session_.SetPause(Pause::kOrder);
      return false;
    }
  }
  if (link->full()) [[unlikely]] {
    link->Wait(&session_);
    session_.extras().full_link = link;
    session_.SetPause(Pause::kLinkFull);
    return false;
  }
  *found = link;
  return std::nullopt;
}

bool Dispatcher::SendRouted(const Plan& plan, const Input& input) {
  Routes& routes = *session_.routes_;
  const bool for_script = plan.entry != nullptr && plan.entry->runs_script;
  Link* link = nullptr;
  NodeIndex node = NodeFor(plan);
  if (worker_.UpstreamAt(session_.upstream_).reads_elsewhere()) [[unlikely]] {
    const NodeIndex reader = ReaderFor(plan, node);
    if (reader == kNoNode && node != kNoNode) return WaitForNode(plan, input, kNoReplica);
    node = reader;
  }
  if (const auto done = FindRoute(plan, input, node, for_script, &link)) [[unlikely]]
    return *done;
  if (session_.subscriptions_ != nullptr && session_.on_links_ != 0 &&
      PublishesToItself(plan, input)) [[unlikely]] {
    session_.SetPause(Pause::kOrder);
    return false;
  }
  routes.scripts = for_script;
  routes.waits_since_ms = 0;
  if (!following_.empty() && session_.tracking() == nullptr && FanOut(plan, input)) return true;
  return SendOn(link, plan, input);
}

// The link would not take it: it is the session's to try again.
void Dispatcher::DetourUnsent(Request* request, const Link& link, Chunk* chunk,
                              std::string_view wire) {
  request->wire = Slice(chunk, wire);
  request->history = std::make_unique<RedirectHistory>(
      RedirectHistory{.first_refused_ms = worker_.context().NowMs()});
  Detour detour{.request = request, .line = link.RefusalLine()};
  detour.due_ms = worker_.context().NowMs() + Routes::kPauseMs;
  worker_.UpstreamAt(session_.upstream_).WantRefresh(detour.line);
  session_.AddDetour(std::move(detour));
}

// False: reads that went to replicas must be answered before what might write: they would see it.
bool Dispatcher::SettleReads(const Plan& plan) {
  if (IsPlainRead(plan) || plan.kind == PlanKind::kLocal) return true;
  Routes& routes = *session_.routes_;
  if (routes.away != 0) {
    session_.SetPause(Pause::kOrder);
    return false;
  }
  const bool may_write = plan.entry == nullptr || !plan.entry->is_readonly;
  if (may_write && plan.kind != PlanKind::kReject) {
    routes.wrote_ms = worker_.context().NowMs();
  }
  return true;
}

// Where a request goes whose slot is the primary's. Behind what is on its way there it stays there:
// it may be a write, which the read is to see. kNoNode: it may go nowhere.
NodeIndex Dispatcher::ReaderFor(const Plan& plan, NodeIndex primary) {
  Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  Routes& routes = *session_.routes_;
  if (primary == kNoNode || !IsPlainRead(plan) || routes.at(primary).in_flight != 0) return primary;
  const auto bound_ms = static_cast<uint64_t>(upstream.config().read_your_writes_ms);
  const uint64_t now_ms = worker_.context().NowMs();
  if (routes.wrote_ms != 0 && now_ms - routes.wrote_ms < bound_ms) return primary;
  return upstream.ReaderOf(primary, session_.conversation_.id);
}

// What several nodes make different; nothing: it goes on as with one.
std::optional<bool> Dispatcher::PerformInCluster(const Plan& plan, const Input& input) {
  if (!SettleRoutes()) return false;
  if (worker_.UpstreamAt(session_.upstream_).reads_elsewhere() && !SettleReads(plan)) return false;
  // What is denied is denied, whatever several nodes would make of it.
  const bool denied = plan.kind == PlanKind::kReject;
  if (denied && session_.multi() == nullptr && !session_.in_transaction()) return std::nullopt;
  const bool of_cluster = plan.kind == PlanKind::kSingle && plan.slot == kNoSlot &&
                          plan.entry != nullptr && plan.entry->spec->parent != nullptr &&
                          plan.entry->spec->parent->name == "cluster";
  if (plan.kind == PlanKind::kPinned || of_cluster) [[unlikely]] {
    const std::string_view refusal = RefusalOf(plan.entry);
    if (!refusal.empty() && session_.multi() == nullptr) return Refuse(plan.entry, refusal, input);
  }
  const bool tracks =
      session_.tracking() != nullptr ||
      (EffectOf(plan.entry) == PinEffect::kTracking &&
       !worker_.UpstreamAt(session_.upstream_).snapshot().topology->is_replicated());
  if (tracks && !denied) [[unlikely]] {
    if (const std::optional<bool> done = TrackInCluster(plan, input)) return done;
  }
  if (session_.multi() != nullptr) [[unlikely]]
    return PerformDeferred(plan, input);
  const bool lost = session_.pinned_ != nullptr && session_.own_link_ == nullptr;
  if (plan.slot == kNoSlot && !lost && !session_.in_transaction()) {
    if (const std::optional<bool> done = PausePrimaries(plan, input)) return *done;
  }
  if (session_.own_link_ != nullptr) [[unlikely]] {
    const Pin& pin = session_.pinned_->state;
    // The next may be for another node than the one whose EXEC is on its way.
    const bool ends = pin.holds().transaction && !pin.expected().transaction;
    if (ends && EffectOf(plan.entry) == PinEffect::kMulti && WaitForAnswers()) return false;
    if (pin.holds().transaction || pin.expected().transaction) {
      return PerformInItsTransaction(plan, input);
    }
    const bool watches = pin.holds().watch || pin.expected().watch;
    if (watches && EffectOf(plan.entry) == PinEffect::kWatch && plan.slot != kNoSlot &&
        NodeFor(plan) != session_.pinned_->at.node) {
      return Refuse(plan.entry, kCrossSlot, input);
    }
    if (watches) return std::nullopt;
  } else if (session_.pinned_ != nullptr) {
    return std::nullopt;  // what it held was lost
  }
  return DeferMulti(plan, input);
}

// ---- transactions

// All of a transaction's keys are in one slot; what concerns all nodes, concerns this one.
std::optional<bool> Dispatcher::PerformInItsTransaction(const Plan& plan, const Input& input) {
  Routes& routes = *session_.routes_;
  if (plan.kind == PlanKind::kSubscribe) return std::nullopt;
  if (const std::string_view refusal = RefusalInTransaction(plan.entry); !refusal.empty()) {
    if (!session_.pinned_->state.settled() && WaitForAnswers()) return false;
    if (!session_.pinned_->state.holds().transaction) return Refuse(plan.entry, refusal, input);
    return RefuseInTransaction(plan.entry, refusal, input);
  }
  if (plan.kind == PlanKind::kBroadcast) {
    Plan here = plan;
    here.kind = PlanKind::kSingle;
    return NeedsOwnLink(here, input) ? SendOwn(here, input) : SendShared(here, input);
  }
  // Where its first key is not on the node of its WATCH, it has two slots as well.
  const bool elsewhere = routes.pinned_slot == kNoSlot ? NodeFor(plan) != session_.pinned_->at.node
                                                       : plan.slot != routes.pinned_slot;
  const bool crosses = plan.kind == PlanKind::kSplit || (plan.slot != kNoSlot && elsewhere);
  if (!crosses) {
    if (plan.slot != kNoSlot) routes.pinned_slot = plan.slot;
    return std::nullopt;
  }
  if (!session_.pinned_->state.settled() && WaitForAnswers()) return false;
  if (!session_.pinned_->state.holds().transaction) return std::nullopt;
  return RefuseInTransaction(plan.entry, kCrossSlot, input);
}

// What a node would accept, though it is not possible with several. Empty: nothing of that kind.
std::string_view Dispatcher::RefusalInTransaction(const CommandEntry* entry) const {
  if (session_.routes_ == nullptr || EffectOf(entry) != PinEffect::kTracking) return {};
  const Topology& topology = *worker_.UpstreamAt(session_.upstream_).snapshot().topology;
  if (topology.is_replicated()) return {};
  return "-ERR weir: CLIENT TRACKING is not possible inside MULTI on a cluster";
}

bool Dispatcher::AnswerHere(const Plan& plan, const Input& input, std::string_view reply) {
  const bool silent = TakeSilence();
  Request* request = session_.Push(plan.entry);
  request->silent = silent;
  request->request_bytes = input.parsed.wire.size();
  session_.AnswerAt(request, reply);
  return true;
}

}  // namespace weir
