// CLIENT TRACKING with several nodes: a client hears of every key that it has read, from whichever
// node serves it.
//
// A client that tracks has links that nobody else uses: the LinkKey names it, so each node's group
// has one link for it, made when it is first needed, which says CLIENT TRACKING … last in its
// handshake and sends nothing before the node has agreed. All that the client sends goes over these
// links as it would over shared ones (routes, parts, redirects, order), transactions and blocking
// commands too, so that NOLOOP holds. They count in pinned_connections_max. When one of them is
// gone, is not the client's any more (HELLO, AUTH), or the map has changed, the client is told to
// forget everything: nobody may have told it what has changed there. What a node says before the
// slot is its own (ASK) is not to be kept either, because the move may be called off.
//
// A push may not overtake a reply that came before it: the client would keep what is no longer
// true. So while replies wait for earlier ones of other nodes, pushes wait behind all of them.
//
// CLIENT TRACKING itself goes to the nodes of all links that are there, or all primaries with
// BCAST, before anything else of the client goes on; what they agree to, new links are told. With
// BCAST each primary has a link at all times, and a new one means to forget everything, again.
#include "proxy/client/cluster_tracking.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/parts.h"
#include "proxy/client/routes.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/request_parser.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr std::string_view kFlush = ">2\r\n$10\r\ninvalidate\r\n_\r\n";
constexpr std::string_view kYes = "*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$3\r\nYES\r\n";
constexpr std::string_view kNo = "*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$2\r\nNO\r\n";

bool IsCaching(const CommandEntry* entry) {
  return entry != nullptr && entry->spec != nullptr && entry->spec->name == "client|caching";
}

// Whether `word` stands among the options of CLIENT TRACKING ON.
bool HasOption(const ParsedRequest& parsed, std::string_view word) {
  for (uint32_t i = 3; i < parsed.argc; ++i) {
    if (IsKeyword(parsed.arg(i), word)) return true;
    if (IsKeyword(parsed.arg(i), "prefix") || IsKeyword(parsed.arg(i), "redirect")) ++i;
  }
  return false;
}

// An error that any node would have given, and that has changed nothing.
bool IsRefusal(std::string_view reply) {
  return reply.starts_with("-NOPERM ") ||
         (reply.starts_with("-ERR ") && !reply.starts_with("-ERR weir:"));
}

}  // namespace

Routes::Routes() = default;

Routes::~Routes() { ReleaseGroups(); }

// ---- Dispatcher: what the client says

// Nothing: it is not about tracking, and goes on as any.
std::optional<bool> Dispatcher::TrackInCluster(const Plan& plan, const Input& input) {
  const bool switches = EffectOf(plan.entry) == PinEffect::kTracking && input.parsed.argc > 2;
  const ClusterTracking* tracking = session_.tracking();
  if (tracking == nullptr && !switches) return std::nullopt;
  const LocalCommand local = plan.entry == nullptr ? LocalCommand::kNone : plan.entry->local;
  if (local == LocalCommand::kReset && tracking != nullptr) {
    if (WaitForAnswers()) return false;
    session_.tracking()->on = false;
    session_.DropOwnLink("-ERR weir: the client reset its connection");
    session_.EndTracking();
    return std::nullopt;
  }
  // Redis has words for what is not said there.
  if (session_.subscribed() && session_.conversation_.protocol_version == 2) return std::nullopt;
  if (local == LocalCommand::kWeirOn) {
    return Refuse(plan.entry, "-ERR weir: WEIR.ON is not possible while keys are tracked", input);
  }
  const bool own = session_.own_link_ != nullptr;
  const bool lost = session_.pinned_ != nullptr && !own;
  const bool transaction =
      session_.in_transaction() || (own && session_.pinned_->state.holds().transaction);
  // There it is refused with all else that is (RefusalInTransaction).
  if (transaction || (lost && session_.pinned_->lost.transaction)) return std::nullopt;
  if (switches) return SwitchTracking(plan, input);
  if (lost || !tracking->on) return std::nullopt;
  if (IsCaching(plan.entry)) return Cache(plan, input);
  if (local == LocalCommand::kClientGetredir || local == LocalCommand::kClientTrackinginfo) {
    return SendRouted(plan, input);
  }
  if (local == LocalCommand::kPing || local == LocalCommand::kEcho) return AskTracked(plan, input);
  return std::nullopt;
}

// The links to these nodes, where a part each may go now; else what was done instead.
std::optional<bool> Dispatcher::FindTracked(const Plan& plan, const Input& input,
                                            const std::vector<NodeIndex>& nodes,
                                            std::vector<PartPlan>* parts) {
  for (const NodeIndex node : nodes) {
    PartPlan part{.node = node, .home = node, .upstream = session_.upstream_};
    const auto done = FindRoute(plan, input, node, /*for_script=*/false, &part.link);
    if (done.has_value()) return done;
    parts->push_back(part);
  }
  if (parts->empty()) return WaitForAnyNode(plan, input);
  session_.routes_->scripts = false;
  session_.routes_->waits_since_ms = 0;
  return std::nullopt;
}

bool Dispatcher::SwitchTracking(const Plan& plan, const Input& input) {
  const ParsedRequest& parsed = input.parsed;
  const bool off = IsKeyword(parsed.arg(2), "off");
  if (WaitForAnswers()) return false;
  if (session_.pinned_ != nullptr) {
    if (session_.own_link_ == nullptr || session_.pinned_->state.holds().any()) {
      return Refuse(plan.entry,
                    "-ERR weir: CLIENT TRACKING is not possible on a cluster while keys are "
                    "watched",
                    input);
    }
    session_.GiveBackOwnLink();
  }
  if (session_.tracking() == nullptr && off) return SendRouted(plan, input);
  if (!off && HasOption(parsed, "redirect")) {
    return Refuse(plan.entry,
                  "-ERR weir: CLIENT TRACKING with REDIRECT is not possible on a cluster yet",
                  input);
  }
  if (session_.lanes_ != nullptr) {
    return Refuse(plan.entry,
                  "-ERR weir: CLIENT TRACKING is not possible on a cluster for clients that use "
                  "several upstreams",
                  input);
  }
  if (session_.tracking() == nullptr) session_.BeginTracking();
  ClusterTracking& tracking = *session_.tracking();
  size_t bytes = parsed.wire.size();
  for (const std::string& step : tracking.steps) bytes += step.size();
  if (!off && bytes > ClusterTracking::kStepBytesMax) {
    if (!tracking.on) session_.EndTracking();
    return Refuse(plan.entry,
                  Concat("-ERR weir: CLIENT TRACKING takes no more than ",
                         ClusterTracking::kStepBytesMax, " bytes of prefixes on a cluster"),
                  input);
  }
  // Those that know of it, or are to.
  std::vector<NodeIndex> nodes;
  const auto add = [&nodes](NodeIndex node) {
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
  };
  for (const Link* link : tracking.links) {
    if (!link->retiring()) add(link->key().node);
  }
  if (!off && HasOption(parsed, "bcast")) {
    for (const NodeIndex node : worker_.UpstreamAt(session_.upstream_).map().primaries()) add(node);
  }
  if (nodes.empty() && NodeFor(plan) != kNoNode) nodes.push_back(NodeFor(plan));
  std::vector<PartPlan> parts;
  if (const auto done = FindTracked(plan, input, nodes, &parts)) {
    if (*done && !tracking.on) session_.EndTracking();
    return *done;
  }
  auto task = std::make_unique<PartsTask>();
  task->merge = Merge::kFirst;
  task->reply_marks = input.reply_marks;
  const bool broadcast = HasOption(parsed, "bcast");
  const bool optin = HasOption(parsed, "optin");
  const bool optout = HasOption(parsed, "optout");
  task->finish = [session = &session_, wire = std::string(parsed.wire), off, broadcast, optin,
                  optout](Conversation&, std::string_view reply) {
    std::string said = session->NoteTracking(!off, wire, reply);
    ClusterTracking& now = *session->tracking();
    if (!off && said == "+OK\r\n") {
      now.broadcast = broadcast;
      now.optin = optin;
      now.optout = optout;
      now.reach = broadcast;
    }
    return said;
  };
  session_.SetPause(Pause::kAsk);
  return SendAllParts(plan, input, std::move(task), &parts);
}

// CLIENT CACHING: said again in front of the next request, wherever that goes.
bool Dispatcher::Cache(const Plan& plan, const Input& input) {
  ClusterTracking& tracking = *session_.tracking();
  const bool fits =
      input.parsed.argc == 3 && ((tracking.optin && IsKeyword(input.parsed.arg(2), "yes")) ||
                                 (tracking.optout && IsKeyword(input.parsed.arg(2), "no")));
  // Redis has words for what does not.
  if (!fits) return SendRouted(plan, input);
  const bool done = AnswerHere(plan, input, "+OK\r\n");
  tracking.caching = true;
  return done;
}

// PING and ECHO: whatever was changed before they came, the client has heard of when they answer.
std::optional<bool> Dispatcher::AskTracked(const Plan& plan, const Input& input) {
  if (session_.subscriptions_ != nullptr || input.tail != nullptr) return std::nullopt;
  std::vector<NodeIndex> nodes;
  for (const Link* link : session_.tracking()->links) {
    if (link->introduced() && !link->retiring()) nodes.push_back(link->key().node);
  }
  if (nodes.empty()) return std::nullopt;
  std::vector<PartPlan> parts;
  if (const auto done = FindTracked(plan, input, nodes, &parts)) return *done;
  auto task = std::make_unique<PartsTask>();
  task->merge = Merge::kOneSucceeded;
  task->partial = true;
  task->reply_marks = input.reply_marks;
  return SendAllParts(plan, input, std::move(task), &parts);
}

// ---- Session: on and off

ClusterTracking* Session::tracking() const {
  return routes_ == nullptr ? nullptr : routes_->tracking.get();
}

// REQUIRES: nothing is in flight, there is no link of its own.
void Session::BeginTracking() {
  Upstream& upstream = worker_->UpstreamAt(upstream_);
  routes_->tracking = std::make_unique<ClusterTracking>();
  routes_->tracking->epoch = upstream.map().epoch();
  upstream.AddTracker(conversation_.id, this);
  UpdateGroup();
}

// What the nodes say to CLIENT TRACKING, and the client hears.
std::string Session::NoteTracking(bool on, const std::string& wire, std::string_view reply) {
  ClusterTracking& now = *tracking();
  const bool agreed = reply == "+OK\r\n";
  if (agreed && on) {
    // The last command decides; only prefixes add up.
    const bool adds = now.on && now.broadcast;
    if (!adds) now.steps.clear();
    now.steps.push_back(wire);
    now.on = true;
    if (!std::exchange(now.shown, true)) worker_->context().stats.pinned_tracking.Add(1);
  } else if (agreed || !now.on) {
    now.on = false;
    now.ending = true;
  } else if (!IsRefusal(reply)) {
    now.reset_links = true;
  }
  if (!now.ending && !now.reset_links) ClearPause(Pause::kAsk);
  Schedule();
  return std::string(reply);
}

// REQUIRES: nothing is in flight, or the session ends; there is no link of its own.
void Session::EndTracking() {
  if (tracking() == nullptr) return;
  const std::unique_ptr<ClusterTracking> before = std::move(routes_->tracking);
  if (before->shown) worker_->context().stats.pinned_tracking.Add(-1);
  worker_->UpstreamAt(upstream_).RemoveTracker(conversation_.id);
  for (Link* link : before->links) {
    link->SetHolder(nullptr);
    LinkGroup* group = worker_->UpstreamAt(upstream_).Hold(link->key());
    group->SetAside(link);
    group->Release();
  }
  for (ClusterTracking::Waiting& waiting : before->waiting) held_bytes() -= waiting.pushes.bytes();
  if (!closed_) UpdateGroup();
}

// At the turn's end.
void Session::SettleTracking() {
  ClusterTracking& now = *tracking();
  if (now.ending) {
    EndTracking();
    ClearPause(Pause::kAsk);
    return;
  }
  const LinkKey& key = group_->key();
  for (Link* link : std::vector<Link*>(now.links)) {
    const bool fits = link->key().SameClient(key) && link->key().no_touch == key.no_touch;
    if (link != own_link_ && !link->retiring() && (!fits || now.reset_links))
      CloseTrackedLink(link);
  }
  if (std::exchange(now.reset_links, false)) ClearPause(Pause::kAsk);
  const uint64_t epoch = worker_->UpstreamAt(upstream_).map().epoch();
  if (now.epoch != epoch) {
    now.epoch = epoch;
    now.reach = now.broadcast;
    PushFlush();
    // What is on its way still comes from where it may not be heard of any more.
    if (head_ != nullptr) PushBehind(tail_, Slice::Copy(worker_->context().chunks, kFlush));
  }
  if (now.on && std::exchange(now.reach, false)) ReachAllPrimaries();
}

// No new requests; it ends when it has nothing more to answer.
void Session::CloseTrackedLink(Link* link) {
  LinkGroup* group = worker_->UpstreamAt(upstream_).Hold(link->key());
  group->SetAside(link);
  group->Release();
}

// BCAST: also keys that the client has never read are reported.
void Session::ReachAllPrimaries() {
  Upstream& upstream = worker_->UpstreamAt(upstream_);
  for (const NodeIndex node : upstream.map().primaries()) {
    LinkKey key = group_->key();
    key.node = node;
    LinkGroup* group = upstream.Hold(key);
    Link* link = group->Shared(conversation_.id);
    group->Release();
    if (link == nullptr) {
      // At the bound. Redis, too, closes those to whom it cannot say what they have to hear.
      worker_->context().stats.pinned_refused.Add();
      return KillAfterReplies();
    }
    link->Connect();
  }
}

// ---- Session: its links

void Session::OnTrackedLinkMade(Link& link) { tracking()->links.push_back(&link); }

void Session::OnTrackedLinkConnected(std::vector<HandshakeStep>* steps) {
  if (tracking() == nullptr) return;
  for (const std::string& step : tracking()->steps) steps->push_back(TellTracking(step));
}

void Session::OnOwnLinkIntroduced(Link& link) {
  if (&link == own_link_) TellTarget();
  if (tracking() != nullptr && tracking()->broadcast && link.key().tracker != 0) PushFlush();
}

// ---- Session: pushes

// A PING or ECHO at the end of the queue answers behind whatever is heard before its last part is
// there (see AskTracked). Null: nothing stands before it.
const Request* Session::LastThatPushesFollow() const {
  const bool asks = tail_ != nullptr && tail_->has_parts && tail_->entry != nullptr &&
                    (tail_->entry->local == LocalCommand::kPing ||
                     tail_->entry->local == LocalCommand::kEcho);
  if (!asks) return tail_;
  const Request* last = nullptr;
  for (const Request* r = head_; r != tail_; r = r->owner_next) last = r;
  return last;
}

// Of one of its links.
void Session::PushInvalidation(Chunk* chunk, std::string_view frame) {
  if (!tracking()->on || conversation_.protocol_version < 3) return;
  const std::optional<std::string> other = PassPush(frame);
  Slice push =
      other.has_value() ? Slice::Copy(worker_->context().chunks, *other) : Slice(chunk, frame);
  const bool mid_reply =
      head_ != nullptr && head_->reply_begun && !head_->collect && !head_->silent && !head_->done;
  const Request* const last = LastThatPushesFollow();
  if (held_bytes() != 0 && last != nullptr) {
    PushBehind(last, std::move(push));
  } else if (mid_reply) {
    PushBehind(head_, std::move(push));
  } else {
    out_.Append(std::move(push));
  }
  Schedule();
  if (out_.bytes() > worker_->output_bytes_max()) CloseForOutput();
}

void Session::PushFlush() {
  const Slice frame = Slice::Copy(worker_->context().chunks, kFlush);
  PushInvalidation(frame.chunk(), frame.view());
}

// REQUIRES: `request` stands in the queue.
void Session::PushBehind(const Request* request, Slice frame) {
  if (!tracking()->on || conversation_.protocol_version < 3) return;
  std::deque<ClusterTracking::Waiting>& waiting = tracking()->waiting;
  if (waiting.empty() || waiting.back().behind != request) waiting.push_back({request, {}});
  HoldBytes(frame.size());
  waiting.back().pushes.Append(std::move(frame));
}

// It has just left the queue.
void Session::SayPushesBehind(const Request* request) {
  std::deque<ClusterTracking::Waiting>& waiting = tracking()->waiting;
  for (auto it = waiting.begin(); it != waiting.end();) {
    if (it->behind != request) {
      ++it;
      continue;
    }
    held_bytes() -= it->pushes.bytes();
    out_.Append(std::move(it->pushes));
    it = waiting.erase(it);
  }
}

// What is answered behind ASKING may not be kept.
void Session::PushFlushBehindAsked(const Request& request) {
  if (tracking() == nullptr) return;
  const Request* place = request.whole != nullptr ? request.whole : &request;
  PushBehind(place, Slice::Copy(worker_->context().chunks, kFlush));
}

// What CLIENT CACHING was said of is the next request that is no CLIENT command, or transaction.
void Session::TakeCaching(Request* request) {
  ClusterTracking& now = *tracking();
  if (!now.caching || multi() != nullptr) return;
  const CommandEntry* entry = request->entry;
  const bool of_client = entry != nullptr && entry->spec != nullptr &&
                         (entry->spec->name == "client" || (entry->spec->parent != nullptr &&
                                                            entry->spec->parent->name == "client"));
  if (!of_client) request->caching = std::exchange(now.caching, false);
}

// In front of a request that CLIENT CACHING was said of, on the same link. False: the link takes no
// more.
bool Session::SayCaching(Link* link, const Request& request) {
  if (!request.caching || tracking() == nullptr) return true;
  LoopContext& context = worker_->context();
  Request* caching = context.requests.Make();
  caching->use = ReplyUse::kSwallow;
  caching->received_ns = context.NowNs();
  const Slice wire = Slice::Copy(context.chunks, tracking()->optin ? kYes : kNo);
  if (link->Send(caching, wire.chunk(), wire.view())) return true;
  context.requests.ReleaseIfUnused(caching);
  return false;
}

}  // namespace weir
