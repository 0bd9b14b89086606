// Requests of a cluster that are sent again: see routes.h.
#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/lanes.h"
#include "proxy/client/parts.h"
#include "proxy/client/request_task.h"
#include "proxy/client/routes.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"
#include "routing/slot.h"

namespace weir {
namespace {

RedirectLimits LimitsOf(const UpstreamConfig& config) {
  RedirectLimits limits;
  limits.redirects_max = static_cast<uint32_t>(config.redirects_max);
  limits.retry_budget_ms = static_cast<uint32_t>(config.retry_budget_ms);
  return limits;
}

std::string_view WithoutCrlf(std::string_view line) {
  return line.substr(0, line.find_first_of("\r\n"));
}

bool RunsScript(const Request& request) {
  return request.stands_in || (request.entry != nullptr && request.entry->runs_script);
}

// As it was before it was first sent.
void MakeUnsent(Request* request) {
  request->replies = request->replies_before = request->errors = 0;
  request->sent = request->reply_begun = false;
  request->sent_ns = request->replied_ns = request->end_offset = 0;
}

// In front of the one request that it is about, on the same link, and with its deadline: a link
// whose oldest request had none never broke, however long the node was silent.
bool SendAsking(LoopContext& context, Link* link, uint64_t deadline_ms) {
  Request* asking = context.requests.Make();
  asking->use = ReplyUse::kSwallow;
  asking->received_ns = context.NowNs();
  asking->deadline_ms = deadline_ms;
  const Slice wire = Slice::Copy(context.chunks, "*1\r\n$6\r\nASKING\r\n");
  if (link->Send(asking, wire.chunk(), wire.view())) return true;
  context.requests.ReleaseIfUnused(asking);
  return false;
}

bool ServesAllSlots(const NodeMap& map) {
  for (uint32_t slot = 0; slot < kSlotCount; ++slot) {
    if (map.PrimaryOf(static_cast<uint16_t>(slot)) == kNoNode) return false;
  }
  return true;
}

// What is for each primary, and did not run on one that is none any more, is for the one that has
// come into its place: one that no other part is for. False: there is none.
bool FindHeir(const NodeMap& map, Request* part) {
  if (part->whole == nullptr) return false;
  const std::vector<NodeIndex>& primaries = map.primaries();
  if (std::find(primaries.begin(), primaries.end(), part->home) != primaries.end()) return false;
  auto& parts = static_cast<PartsTask&>(*part->whole->extra).parts;
  const auto heir = std::find_if(primaries.begin(), primaries.end(), [&](NodeIndex primary) {
    return std::none_of(parts.begin(), parts.end(),
                        [primary](const PartsTask::Part& other) { return other.home == primary; });
  });
  if (heir == primaries.end()) return false;
  part->home = parts[part->part].home = *heir;
  return true;
}

}  // namespace

void Routes::ReleaseGroups() {
  for (Route& route : by_node) {
    if (route.group != nullptr) std::exchange(route.group, nullptr)->Release();
  }
}

// ---- routes

LinkGroup* Session::GroupAt(NodeIndex node) {
  Route& route = routes_->at(node);
  if (route.group == nullptr) {
    LinkKey key = group_->key();
    key.node = node;
    route.group = worker_->UpstreamAt(upstream_).Hold(key);
  }
  return route.group;
}

void Session::JoinRoute(Request& request, Link* link) {
  Route& route = routes_->at(link->key().node);
  // On two connections at once to the same node: what comes next waits until all is answered.
  if (route.in_flight != 0 && route.link != link) routes_->epoch = 0;
  route.link = link;
  ++route.in_flight;
  request.routed = true;
  const NodeMap& map = worker_->UpstreamAt(upstream_).map();
  request.away = request.slot >= 0 && worker_->UpstreamAt(upstream_).reads_elsewhere() &&
                 map.PrimaryOf(static_cast<uint16_t>(request.slot)) != link->key().node;
  if (request.away) ++routes_->away;
  const bool writes = request.repeatable || (request.entry != nullptr && request.entry->is_write);
  if (writes) routes_->last_write = link->key().node;
}

void Session::LeaveRoute(Request& request) {
  --routes_->at(request.link->key().node).in_flight;
  request.routed = false;
  if (request.away) {
    --routes_->away;
    request.away = false;
  } else if (!request.retryable) {
    routes_->wrote_ms = worker_->context().NowMs();
  }
}

void Session::WakeAfter(uint64_t delay_ms) {
  routes_->timer = worker_->After(delay_ms, [this, lane = upstream_] {
    const InLane in(this, lane);
    EndWait();
  });
}

// What waits is tried again, at the turn's end.
void Session::EndWait() {
  if (routes_->detours.empty()) ClearPause(Pause::kWait);
  Schedule();
}

void Session::OnMapChanged(UpstreamIndex upstream) {
  if ((pauses_ & static_cast<uint16_t>(Pause::kWait)) == 0) return;
  if (upstream != upstream_ && !HasLane(upstream)) return;
  const InLane in(this, upstream);
  if (routes_ == nullptr) return;
  for (Detour& detour : routes_->detours) detour.due_ms = 0;
  EndWait();
}

// ---- what comes back

// True if the error means that the request has to go elsewhere, or again: then it will. Else
// `instead`, unless it is empty, is what the client is to hear.
bool Session::TakeRefusal(Request& request, std::string_view line, std::string* instead) {
  const Redirect redirect = ParseRedirect(line, RunsScript(request));
  if (redirect.refusal == Refusal::kNone) return false;
  // Reads would go on to be answered there, by data that grows old.
  if (redirect.refusal == Refusal::kReadonly) {
    worker_->UpstreamAt(upstream_).Doubt(request.link->key().node);
  }
  if (pinned_ != nullptr && request.link == own_link_ && !request.routed) {
    return TakeOwnRefusal(request, line, instead);
  }
  if (request.whole != nullptr && request.whole->fanned) {
    RerouteFromBranch(request, line);
    return true;
  }
  return request.routed && MakeDetour(request, line, /*own=*/false);
}

// A transaction that has begun, or keys that are watched, cannot be taken to another node.
bool Session::TakeOwnRefusal(Request& request, std::string_view line, std::string* instead) {
  const Pin& pin = pinned_->state;
  const bool alone = on_links_ == 1 && !request.streamed && !request.wire.empty();
  if (alone && !pin.holds().any() && !pin.expected().transaction && !request.collect) {
    if (!MakeDetour(request, line, /*own=*/true)) return false;
    NoteOwnReplies(request, line, 1, true);
    return true;
  }
  const Redirect redirect = ParseRedirect(line, RunsScript(request));
  Upstream& upstream = worker_->UpstreamAt(upstream_);
  upstream.WantRefresh(WithoutCrlf(line));
  if (redirect.refusal != Refusal::kMoved && redirect.refusal != Refusal::kAsk) return false;
  *instead = request.effect == PinEffect::kExec
                 ? "-EXECABORT weir: the transaction was discarded because its slot has moved to "
                   "another node; start it again\r\n"
                 : "-TRYAGAIN weir: the slot has moved to another node; the command did not run, "
                   "send it again\r\n";
  return false;
}

bool Session::MakeDetour(Request& request, std::string_view line, bool own) {
  const Redirect redirect = ParseRedirect(line, RunsScript(request));
  Upstream& upstream = worker_->UpstreamAt(upstream_);
  const uint64_t now_ms = worker_->context().NowMs();
  if (request.history == nullptr) request.history = std::make_unique<RedirectHistory>();
  const RedirectStep step =
      DecideRedirect(redirect, LimitsOf(upstream.config()), now_ms, request.history.get());
  if (step.action == RedirectStep::Action::kForward) return false;
  const NodeIndex from = request.link->key().node;
  Detour detour{.request = &request, .line = std::string(WithoutCrlf(line)), .own = own};
  if (step.refresh) upstream.WantRefresh(detour.line);
  if (step.action == RedirectStep::Action::kGiveUp) {
    detour.line =
        GiveUpLine(redirect, detour.line, upstream.NodeAddress(from), *request.history, now_ms);
    detour.given_up = true;
  } else {
    if (step.where == RedirectStep::Where::kNamed) {
      detour.node = upstream.NodeOf(redirect, from);
      if (step.patch_slot && detour.node != kNoNode) upstream.Patch(redirect.slot, detour.node);
    } else if (step.where == RedirectStep::Where::kSame) {
      detour.node = from;
    }
    detour.asking = step.asking;
    if (step.wait_ms != 0) detour.due_ms = now_ms + step.wait_ms;
  }
  worker_->context().stats.requests_redirected.Add();
  --on_links_;
  if (request.routed) LeaveRoute(request);
  AddDetour(std::move(detour));
  return true;
}

bool Session::OnHandedBack(Request& request, std::string_view line) {
  const InLane in(this, request.upstream);
  if (routes_ == nullptr || !request.routed) return false;
  if (request.count > 1) {
    HandBackBranch(request, line);
    return true;
  }
  if (request.whole != nullptr && request.whole->has_parts &&
      static_cast<PartsTask&>(*request.whole->extra).partial) {
    if (--on_links_ == 0) ClearPause(Pause::kOrder);
    LeaveRoute(request);
    FailPart(request, line);
    return true;
  }
  Upstream& upstream = worker_->UpstreamAt(upstream_);
  const uint64_t now_ms = worker_->context().NowMs();
  const bool first = request.history == nullptr;
  if (first)
    request.history =
        std::make_unique<RedirectHistory>(RedirectHistory{.first_refused_ms = now_ms});
  Detour detour{.request = &request, .line = std::string(line)};
  detour.due_ms = first ? 0 : now_ms + Routes::kPauseMs;
  upstream.WantRefresh(line);
  --on_links_;
  LeaveRoute(request);
  AddDetour(std::move(detour));
  return true;
}

void Session::AddDetour(Detour detour) {
  routes_->detours.push_back(std::move(detour));
  SetPause(Pause::kWait);
  Schedule();
}

// A request has run that was sent after those which wait.
void Session::NoteOvertaken(int32_t slot, bool retryable) {
  for (Detour& detour : routes_->detours) {
    if (detour.request->slot != slot || slot < 0 || detour.due_ms == 0) continue;
    if (!detour.request->retryable || !retryable) detour.given_up = true;
  }
}

// ---- what is sent again

// At the turn's end.
void Session::RunDetours() {
  std::deque<Detour>& detours = routes_->detours;
  const uint64_t now_ms = worker_->context().NowMs();
  while (!detours.empty() && !closed_) {
    Detour detour = std::move(detours.front());
    if (!detour.given_up && detour.due_ms > now_ms) {
      WakeAfter(detour.due_ms - now_ms);
      detours.front() = std::move(detour);
      SetPause(Pause::kWait);
      return;
    }
    detours.pop_front();
    if (detour.given_up) {
      GiveUp(detour);
    } else if (!SendDetour(detour)) {
      detours.push_front(std::move(detour));
    }
  }
  if (!closed_) ClearPause(Pause::kWait);
}

// False: not now; it says when it is to be tried again.
bool Session::SendDetour(Detour& detour) {
  Upstream& upstream = worker_->UpstreamAt(upstream_);
  LoopContext& context = worker_->context();
  Request* const request = detour.request;
  NodeIndex node = detour.node;
  if (request->home != kNoNode) {
    const MappedNode* home = upstream.map().node(request->home);
    const bool gone = home == nullptr || home->left;
    if (!FindHeir(upstream.map(), request) && gone) {
      // A replica may be about to take over.
      if (request->whole == nullptr || ServesAllSlots(upstream.map())) {
        detour.given_up = true;
      } else {
        PutOff(detour);
      }
      return false;
    }
    node = request->home;
  } else if (node == kNoNode && request->slot >= 0) {
    node = upstream.map().PrimaryOf(static_cast<uint16_t>(request->slot));
  } else if (node == kNoNode) {
    // Where weir subscribes, if the reply counts who hears it.
    const bool counts = request->entry != nullptr && request->entry->counts_receivers;
    node = counts ? upstream.MessageNode(worker_->CountsOf(upstream_).turn())
                  : upstream.map().Steady(conversation_.id);
  }
  if (detour.own) return SendOwnDetour(detour, node);
  Link* link =
      node == kNoNode ? nullptr : GroupAt(node)->Shared(conversation_.id, RunsScript(*request));
  const uint64_t deadline_ms = worker_->DeadlineMs(upstream_, request->entry);
  // Between ASKING and its command nothing else may stand.
  const bool ready = link != nullptr && (detour.asking ? SendAsking(context, link, deadline_ms)
                                                       : SayCaching(link, *request));
  if (ready) {
    if (detour.asking) PushFlushBehindAsked(*request);
    MakeUnsent(request);
    TakeBack(request);
    request->deadline_ms = deadline_ms;
    const Slice wire = request->wire.Share();
    if (link->Send(request, wire.chunk(), wire.view())) {
      ++on_links_;
      JoinRoute(*request, link);
      flow_ = on_links_ == 1 ? link : nullptr;
      return true;
    }
    if (request->caching) CloseTrackedLink(link);
  }
  // Nobody serves the slot, or who does cannot be reached.
  if (link != nullptr) detour.line = link->RefusalLine();
  PutOff(detour);
  return false;
}

// Until later, or for good if that is too late.
void Session::PutOff(Detour& detour) {
  Upstream& upstream = worker_->UpstreamAt(upstream_);
  const uint64_t now_ms = worker_->context().NowMs();
  auto& history = detour.request->history;
  if (history == nullptr) {
    history = std::make_unique<RedirectHistory>(RedirectHistory{.first_refused_ms = now_ms});
  }
  const auto budget_ms = static_cast<uint64_t>(upstream.config().retry_budget_ms);
  if (now_ms - history->first_refused_ms >= budget_ms) {
    detour.given_up = true;
    return;
  }
  detour.node = kNoNode;
  detour.asking = false;
  detour.due_ms = now_ms + Routes::kPauseMs;
  upstream.WantRefresh(detour.line);
}

bool Session::SendOwnDetour(Detour& detour, NodeIndex node) {
  Request* const request = detour.request;
  if (own_link_ != nullptr) GiveBackOwnLink();
  LinkKey key = group_->key();
  key.node = node;
  if (node == kNoNode) {
    PutOff(detour);
    return false;
  }
  if (!TakeOwnLink(key)) {
    detour.line = worker_->TooManyPinnedLine(upstream_);
    detour.given_up = true;
    return false;
  }
  if (detour.asking) {
    SendOnOwnLink({"ASKING"});
    PushFlushBehindAsked(*request);
  } else {
    SayCaching(own_link_, *request);
  }
  MakeUnsent(request);
  request->deadline_ms = worker_->DeadlineMs(upstream_, request->entry);
  pinned_->state.OnSent(request->effect, request->effect_on);
  const Slice wire = request->wire.Share();
  if (own_link_->Send(request, wire.chunk(), wire.view())) {
    ++on_links_;
    flow_ = own_link_;
    return true;
  }
  DropOwnLink("-DOWN weir: the node cannot be reached");
  PutOff(detour);
  return false;
}

void Session::GiveUp(Detour& detour) {
  Request* const request = detour.request;
  request->link = nullptr;
  request->replies = 0;
  request->errors = 1;
  if (request->is_part()) return FailPart(*request, detour.line);
  if (request->whole != nullptr) {
    Request& whole = *request->whole;
    FailBranch(*request, 1, detour.line);
    DetachBranch(*request);
    return SettleFanned(whole, /*in_part=*/false);
  }
  AnswerUnsent(request, Concat(detour.line, "\r\n"));
}

}  // namespace weir
