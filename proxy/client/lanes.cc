#include "proxy/client/lanes.h"

#include <utility>

#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/pin.h"
#include "proxy/worker.h"

namespace weir {

// ---- Session: its lanes

UpstreamIndex Session::home() const { return lanes_ == nullptr ? upstream_ : lanes_->home; }

Lanes& Session::MakeLanes() {
  if (lanes_ != nullptr) return *lanes_;
  size_t held = 0;
  if (routes_ != nullptr) {
    held = routes_->held_bytes;
  } else {
    for (const Request* request = head_; request != nullptr; request = request->owner_next) {
      held += request->reply.bytes();
    }
  }
  lanes_ = std::make_unique<Lanes>(upstream_, worker_->config().upstreams.size());
  lanes_->held_bytes = held;
  if (routes_ != nullptr) lanes_->multi = std::move(routes_->multi);
  if (worker_->routes() != nullptr) {
    lanes_->rules = worker_->routes()->rules().ForListener(listener());
  }
  return *lanes_;
}

// The session is closed: nothing of it is in flight any more.
void Session::LeaveLanes() {
  if (lanes_ == nullptr) return;
  for (Lane& lane : lanes_->all) {
    if (lane.group != nullptr) std::exchange(lane.group, nullptr)->Release();
  }
  lanes_.reset();
}

void Session::Enter(UpstreamIndex to) {
  if (to == upstream_ || lanes_ == nullptr) return;
  Lane& from = lanes_->all[Number(upstream_)];
  from.group = std::exchange(group_, nullptr);
  from.flow = std::exchange(flow_, nullptr);
  from.on_links = std::exchange(on_links_, 0);
  from.routes = std::move(routes_);
  Lane& into = lanes_->all[Number(to)];
  upstream_ = to;
  const bool is_new = into.group == nullptr;
  group_ = std::exchange(into.group, nullptr);
  flow_ = std::exchange(into.flow, nullptr);
  on_links_ = std::exchange(into.on_links, 0);
  routes_ = std::move(into.routes);
  if (is_new && worker_->UpstreamAt(to).is_cluster()) routes_ = std::make_unique<Routes>();
  if (!is_new && into.version == lanes_->version) return;
  UpdateGroup();
  into.version = lanes_->version;
}

bool Session::HasLane(UpstreamIndex upstream) const {
  return lanes_ != nullptr && lanes_->all[Number(upstream)].group != nullptr;
}

uint32_t Session::OnLinksOfAllLanes() const {
  uint32_t n = on_links_;
  for (const Lane& lane : lanes_->all) n += lane.on_links;
  return n;
}

void Session::RunDetoursInLanes() {
  for (size_t i = 0; lanes_ != nullptr && i < lanes_->all.size(); ++i) {
    const auto upstream = static_cast<UpstreamIndex>(i);
    const Routes* routes = upstream == upstream_ ? routes_.get() : lanes_->all[i].routes.get();
    if (routes == nullptr || routes->detours.empty()) continue;
    const InLane in(this, upstream);
    RunDetours();
  }
}

size_t& Session::held_bytes() const {
  if (Lanes* const lanes = lanes_.get(); lanes != nullptr) return lanes->held_bytes;
  return routes_->held_bytes;
}

DeferredMulti* Session::multi() const {
  if (lanes_ != nullptr) return lanes_->multi.get();
  return routes_ != nullptr ? routes_->multi.get() : nullptr;
}

std::unique_ptr<DeferredMulti>& Session::multi_place() {
  if (Lanes* const lanes = lanes_.get(); lanes != nullptr) return lanes->multi;
  return routes_->multi;
}

// ---- Dispatcher: which lane

RouteChoice Dispatcher::RouteOf(const ArgList& args, const CommandEntry* entry) {
  const Lanes& lanes = *session_.lanes_;
  RouteChoice choice;
  choice.upstream = static_cast<uint16_t>(lanes.home);
  RouteBook* const book = worker_.routes();
  if (book == nullptr) return choice;
  const UpstreamSnapshot& known = worker_.UpstreamAt(lanes.home).snapshot();
  const Conversation& conversation = session_.conversation_;
  const RouteRules::Set candidates = lanes.rules &
                                     book->rules().ForClient(conversation.user(), conversation.db) &
                                     book->ForCommand(lanes.home, known.routing, entry, args);
  return book->rules().Choose(candidates, entry, args, static_cast<uint16_t>(lanes.home));
}

// Of each request, first of all; and again of what a plugin made of it.
void Dispatcher::ChooseLane(const ParsedRequest& parsed, bool large) {
  Lanes& lanes = *session_.lanes_;
  lanes.named = false;
  lanes.refusal.clear();
  const ArgList args(parsed);
  const UpstreamSnapshot& known = worker_.UpstreamAt(lanes.home).snapshot();
  const CommandEntry* entry = args.size() == 0 ? nullptr : known.routing->Resolve(args);
  RouteBook* const book = worker_.routes();
  if (!large) {
    lanes.choice = RouteOf(args, entry);
  } else if (book == nullptr || args.size() == 0) {
    lanes.choice = RouteChoice();
    lanes.choice.upstream = static_cast<uint16_t>(lanes.home);
  } else {
    const Conversation& conversation = session_.conversation_;
    const RouteRules::Set candidates =
        lanes.rules & book->rules().ForClient(conversation.user(), conversation.db) &
        book->ForCommand(lanes.home, known.routing, entry, args);
    if (!book->rules().ChooseByHead(candidates, entry, args, static_cast<uint16_t>(lanes.home),
                                    &lanes.choice)) {
      lanes.refusal = Concat(
          "-ERR weir: where [[route]] looks at keys, a request whose keys are not all at "
          "its beginning may have no more than ",
          worker_.config().limits.request_buffer_bytes_max, " bytes");
    }
  }
  EnterChosen(entry);
}

// What the client's own connection holds keeps some requests in its lane.
void Dispatcher::EnterChosen(const CommandEntry* entry) {
  Lanes& lanes = *session_.lanes_;
  RouteChoice& choice = lanes.choice;
  auto to = static_cast<UpstreamIndex>(choice.upstream);
  const Pinned* pinned = session_.pinned_.get();
  if (lanes.multi != nullptr && choice.crosses()) lanes.refusal = CrossingLine(choice, to);
  if (pinned == nullptr) return session_.Enter(to);
  const bool has_link = session_.own_link_ != nullptr;
  const PinHolds held = has_link ? pinned->state.expected() : pinned->lost;
  const PinEffect effect = EffectOf(entry);
  const bool elsewhere = choice.crosses() || to != pinned->upstream;
  const bool is_local = entry != nullptr && entry->handling == Handling::kLocal;
  if (held.transaction) {
    if (has_link && choice.has_keys && elsewhere) {
      lanes.refusal = CrossingLine(choice, pinned->upstream);
    }
    to = pinned->upstream;
  } else if (held.watch && effect == PinEffect::kWatch) {
    if (has_link && elsewhere) lanes.refusal = CrossingLine(choice, pinned->upstream);
    to = pinned->upstream;
  } else if (held.watch && (effect == PinEffect::kMulti || effect == PinEffect::kExec ||
                            effect == PinEffect::kDiscard || effect == PinEffect::kUnwatch)) {
    to = pinned->upstream;
  } else if (held.tracking && has_link && elsewhere) {
    if (!is_local && effect != PinEffect::kTracking) {
      lanes.refusal = Concat("-ERR weir: this client tracks what it reads from upstream '",
                             NameOf(pinned->upstream), "', and would not hear of changes on '",
                             NameOf(to), "'");
    }
    to = pinned->upstream;
  }
  session_.Enter(to);
}

std::string_view Dispatcher::NameOf(UpstreamIndex upstream) const {
  return worker_.config().upstreams[Number(upstream)].name;
}

// A transaction in that lane, and a command that is, or is in part, for another.
std::string Dispatcher::CrossingLine(const RouteChoice& choice, UpstreamIndex lane) const {
  auto other = static_cast<UpstreamIndex>(choice.upstream);
  for (const uint16_t upstream : choice.by_key) {
    if (static_cast<UpstreamIndex>(upstream) != lane) other = static_cast<UpstreamIndex>(upstream);
  }
  return Concat(
      "-CROSSSLOT weir: all keys of a transaction must be on one upstream; this one is on '",
      NameOf(lane), "', and not all of these keys are: '", NameOf(other), "'");
}

std::vector<std::string> Dispatcher::ExplainRoute(ArgList* args, UpstreamIndex* upstream) {
  std::vector<std::string> lines;
  const RoutingTable& routing = *worker_.UpstreamAt(*upstream).snapshot().routing;
  const CommandEntry* entry = routing.Resolve(*args);
  if (entry != nullptr && entry->local == LocalCommand::kWeirOn) {
    const std::string refusal = OnRefusal(*args, upstream);
    lines.push_back(refusal.empty() ? "route: WEIR.ON names the upstream"
                                    : Concat("route: none: ", refusal.substr(1)));
    if (refusal.empty()) *args = args->Tail(2);
    session_.MakeLanes();
    return lines;
  }
  if (worker_.routes() == nullptr || session_.lanes_ == nullptr) return lines;
  const RouteChoice choice = RouteOf(*args, entry);
  *upstream = static_cast<UpstreamIndex>(choice.upstream);
  if (choice.crosses()) {
    const bool splits = entry->spread.spread == Spread::kKeys;
    std::string line = "route: the keys are on different upstreams:";
    for (const uint16_t each : choice.by_key) {
      line += Concat(" ", NameOf(static_cast<UpstreamIndex>(each)));
    }
    lines.push_back(line + (splits ? "; it is split" : "; it is refused"));
  } else if (choice.rule == RouteChoice::kNoRule) {
    lines.push_back("route: no rule matches, so the listener's upstream");
  } else {
    lines.push_back(Concat("route: rule ", choice.rule + 1));
  }
  return lines;
}

// ---- Dispatcher: what is different with several lanes

// Nothing: the request goes on in its lane as with one upstream.
std::optional<bool> Dispatcher::PerformInLane(const Plan& plan, const Input& input) {
  Lanes& lanes = *session_.lanes_;
  if (OwnLinkIsBusyElsewhere()) {
    session_.SetPause(Pause::kOrder);
    return false;
  }
  if (!lanes.refusal.empty()) return RefuseInLane(plan, input, lanes.refusal);
  if (lanes.choice.crosses() && plan.kind != PlanKind::kReject) {
    return SendCrossParts(plan, input);
  }
  // With several nodes, that is done in PerformInCluster.
  if (session_.routes_ != nullptr) return std::nullopt;
  if (lanes.multi != nullptr) return PerformDeferred(plan, input);
  const bool by_request =
      worker_.routes() != nullptr && worker_.routes()->rules().looks_at_requests();
  // Behind an EXEC on its way, its connection is still the client's own.
  const bool is_free = session_.pinned_ == nullptr ||
                       (session_.own_link_ != nullptr && !session_.pinned_->state.expected().any());
  if (!by_request || !is_free || plan.kind != PlanKind::kPinned) return std::nullopt;
  return DeferMulti(plan, input);
}

bool Dispatcher::OwnLinkIsBusyElsewhere() const {
  if (session_.own_link_ == nullptr || session_.pinned_->upstream == session_.upstream_) {
    return false;
  }
  const Lane& lane = session_.lanes_->all[Number(session_.pinned_->upstream)];
  return lane.on_links != 0 && lane.flow == session_.own_link_;
}

// If it is in a transaction, that fails with it, as it would with Redis.
bool Dispatcher::RefuseInLane(const Plan& plan, const Input& input, std::string_view line) {
  if (session_.multi() != nullptr) return FailDeferred(plan.entry, line, input);
  if (session_.own_link_ != nullptr) {
    const Pin& pin = session_.pinned_->state;
    const bool may_be = pin.expected().transaction || pin.holds().transaction;
    if (may_be && !pin.settled() && WaitForAnswers()) return false;
    if (pin.holds().transaction) return RefuseInTransaction(plan.entry, line, input);
  }
  return Refuse(plan.entry, line, input);
}

// A client has one connection of its own at a time.
bool Dispatcher::RefuseSecondOwnLink(const Plan& plan, const Input& input) {
  return Refuse(plan.entry,
                Concat("-ERR weir: this client has a connection of its own to upstream '",
                       NameOf(session_.pinned_->upstream),
                       "', for what it watches or tracks there, and can have none to '",
                       NameOf(session_.upstream_), "' meanwhile"),
                input);
}

}  // namespace weir
