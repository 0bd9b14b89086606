// Which requests go over the client's own connection, and what is prepared and noted for each.
//
// A request's way: NeedsOwnLink says that it must; ReadyOwnLink finds the node and opens the
// connection, or answers why it cannot be had; PrepareOwnLink tells the node what it must know of
// the client; NoteOwnRequest writes down what the request will leave on the connection (see pin.h).
// While a client has the connection, own_transaction.cc sees its requests first.
#include <optional>

#include "proxy/backend/upstream.h"
#include "proxy/client/deferred.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/receiver_counts.h"
#include "proxy/client/request_task.h"
#include "proxy/client/routes.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"
#include "routing/text.h"

namespace weir {
namespace {

bool Is(const CommandEntry* entry, std::string_view name) {
  return entry != nullptr && entry->spec != nullptr && entry->spec->name == name;
}

// While a script runs or clients are paused, Redis reads nothing more from the connections that
// wait for it. So what is to end it must come on another.
bool EndsAWait(const CommandEntry* entry) {
  if (entry == nullptr || entry->spec == nullptr || entry->spec->parent == nullptr) return false;
  return Is(entry, "script|kill") || Is(entry, "function|kill") || Is(entry, "client|unpause");
}

// Without anything held these do nothing but say so: any connection will do.
bool IsIdleWithoutPin(PinEffect effect) {
  return effect == PinEffect::kExec || effect == PinEffect::kDiscard ||
         effect == PinEffect::kUnwatch;
}

}  // namespace

bool Dispatcher::NeedsOwnLink(const Plan& plan, const Input& input) const {
  if (input.tail != nullptr || EndsAWait(plan.entry)) [[unlikely]]
    return true;
  if (session_.own_link_ != nullptr && session_.pinned_->upstream == session_.upstream_)
      [[unlikely]] {
    const Pin& pin = session_.pinned_->state;
    const bool elsewhere = session_.routes_ != nullptr && plan.kind == PlanKind::kSingle &&
                           plan.slot != kNoSlot && NodeFor(plan) != session_.pinned_->at.node;
    const bool begun = pin.holds().transaction || pin.expected().transaction;
    if (!elsewhere || begun) {
      if (pin.holds().any() || pin.expected().any()) return true;
      if (session_.on_links_ != 0 && session_.flow_ == session_.own_link_ &&
          session_.pinned_->at.SameClient(session_.group_->key())) {
        return true;
      }
    }
  }
  if (worker_.UpstreamAt(session_.upstream_).standstill().PauseLeftMs(worker_.context().NowMs()) !=
      0) [[unlikely]] {
    return true;
  }
  return plan.kind == PlanKind::kPinned && !IsIdleWithoutPin(EffectOf(plan.entry));
}

bool Dispatcher::WaitForAnswers() {
  if (session_.on_any_link() == 0) return false;
  session_.SetPause(Pause::kOrder);
  return true;
}

// Opens the client's own connection, or changes to another. Nothing: it can be used.
std::optional<bool> Dispatcher::OpenOwnLink(const Plan& plan, const Input& input,
                                            const LinkKey& wanted) {
  Session& session = session_;
  if (session.pinned_ != nullptr && session.own_link_ == nullptr && !session.pinned_->lost.any() &&
      !session.pinned_->failure.empty()) {
    // It could not be opened.
    return RefuseUnopened(plan, input, session.pinned_->failure);
  }
  const bool elsewhere = session.own_link_ == nullptr || session.flow_ != session.own_link_;
  if (elsewhere && WaitForAnswers()) return false;
  if (session.own_link_ != nullptr && session.pinned_->upstream != session.upstream_) [[unlikely]] {
    const Pin& pin = session.pinned_->state;
    if (pin.holds().any() || pin.expected().any()) return RefuseSecondOwnLink(plan, input);
    if (WaitForAnswers()) return false;
    session.GiveBackOwnLink();
  }
  if (session.own_link_ != nullptr && session.pinned_->at != wanted) {
    const Pin& pin = session.pinned_->state;
    if (pin.holds().any() || pin.expected().any()) {
      session.FollowConversation();
    } else {
      if (WaitForAnswers()) return false;
      session.GiveBackOwnLink();
    }
  }
  if (session.own_link_ == nullptr && !session.TakeOwnLink(wanted)) {
    return Refuse(plan.entry, worker_.TooManyPinnedLine(session.upstream_), input);
  }
  Link* link = session.own_link_;
  const bool opening =
      link->state() == Link::State::kConnecting || link->state() == Link::State::kGated;
  if (opening || link->full()) {
    link->Wait(&session);
    session.extras().full_link = link;
    session.SetPause(Pause::kLinkFull);
    return false;
  }
  if (link->state() != Link::State::kReady) return RefuseUnopened(plan, input, link->RefusalLine());
  return std::nullopt;
}

// With several nodes, another may serve the slot soon.
bool Dispatcher::RefuseUnopened(const Plan& plan, const Input& input, std::string_view line) {
  const std::string copy(line);  // what it is of goes with the connection
  session_.DropOwnLink(copy);
  if (session_.routes_ != nullptr && copy.starts_with("-DOWN ")) {
    return WaitForNode(plan, input, copy);
  }
  return Refuse(plan.entry, copy, input);
}

// The client's own connection, at the node that the request is for. Nothing: it can be used.
std::optional<bool> Dispatcher::ReadyOwnLink(const Plan& plan, const Input& input) {
  Session& session = session_;
  LinkKey wanted = session.group_->key();
  // What ends a wait means no db, and a Redis that is busy refuses to SELECT one.
  const bool opened_so = session.own_link_ == nullptr || session.pinned_->at.db == 0;
  if (EndsAWait(plan.entry) && opened_so) wanted.db = 0;
  if (session.routes_ != nullptr) {
    wanted.node = OwnNode(plan);
    if (wanted.node == kNoNode) return WaitForAnyNode(plan, input);
  }
  if (const std::optional<bool> done = OpenOwnLink(plan, input, wanted)) return *done;
  if (session.routes_ != nullptr) {
    session.routes_->waits_since_ms = 0;
    if (EffectOf(plan.entry) == PinEffect::kMulti) session.routes_->pinned_slot = kNoSlot;
  }
  return std::nullopt;
}

bool Dispatcher::SendOwn(const Plan& plan, const Input& input) {
  if (const std::optional<bool> done = ReadyOwnLink(plan, input)) return *done;
  Session& session = session_;
  Link* link = session.own_link_;
  if (EffectOf(plan.entry) == PinEffect::kStream) {
    if (const std::optional<bool> done = Replicate(plan, input)) return *done;
  }
  if (input.tail != nullptr) return SendLarge(link, plan, input);
  const Pin& pin = session.pinned_->state;
  if (!pin.expected().transaction && !pin.holds().transaction) PrepareOwnLink(plan);
  NoteStandstill(plan, input);
  if (EffectOf(plan.entry) == PinEffect::kTracking) {
    if (const std::optional<bool> done = RedirectTracking(plan, input)) return *done;
  }
  const bool sent = SendOn(link, plan, input);
  if (EffectOf(plan.entry) == PinEffect::kExec && session.pinned_ != nullptr &&
      session.pinned_->state.TakeDiffers()) {
    AskWhatChanged();
  }
  return sent;
}

// Where the client's own connection has to go to.
NodeIndex Dispatcher::OwnNode(const Plan& plan) const {
  if (Is(plan.entry, "wait") || Is(plan.entry, "waitaof")) {
    const NodeIndex last_write = session_.routes_->last_write;
    const MappedNode* node = worker_.UpstreamAt(session_.upstream_).map().node(last_write);
    if (node != nullptr && !node->left) return last_write;
  }
  if (session_.own_link_ == nullptr) return NodeFor(plan);
  const Pin& pin = session_.pinned_->state;
  const bool held = pin.holds().any() || pin.expected().any();
  return held || plan.slot == kNoSlot ? session_.pinned_->at.node : NodeFor(plan);
}

// What the node must know of the client before its next command. REQUIRES: no transaction, which
// would take it for a part of itself.
void Dispatcher::PrepareOwnLink(const Plan& plan) {
  const std::string& name = session_.conversation_.name();
  if (session_.own_link_->client_name() != name) {
    session_.SendOnOwnLink({"CLIENT", "SETNAME", name});
    session_.own_link_->set_client_name(name);
  }
  // WAIT is about the offset of the connection's last command, whatever it was: of a new connection
  // that is nought, so it gets one that comes after all that the client wrote.
  if (Is(plan.entry, "wait") || Is(plan.entry, "waitaof")) session_.SendOnOwnLink({"PING"});
}

// From CLIENT PAUSE on, before anybody can get behind somebody who has to wait.
void Dispatcher::NoteStandstill(const Plan& plan, const Input& input) {
  Standstill& standstill = worker_.UpstreamAt(session_.upstream_).standstill();
  if (Is(plan.entry, "client|unpause")) return standstill.Unpause();
  if (EffectOf(plan.entry) != PinEffect::kPause || input.parsed.argc < 3) return;
  int64_t pause_ms = 0;
  if (!ParseWireNumber(input.parsed.arg(2), &pause_ms) || pause_ms <= 0) return;
  standstill.Pause(worker_.context().NowMs() + static_cast<uint64_t>(pause_ms));
}

void Dispatcher::NoteOwnRequest(const Plan& plan, const Input& input, Request* request) {
  Pin& pin = session_.pinned_->state;
  // Only what redirects invalidations to itself subscribes here; other subscriptions are shared.
  const bool subscribes = plan.kind == PlanKind::kSubscribe;
  if (subscribes) {
    session_.own_link_->ExpectMessages();
    session_.pinned_->listens = IsKeyword(input.parsed.arg(0), "subscribe");
  }
  request->effect = subscribes ? PinEffect::kOther : EffectOf(plan.entry);
  request->effect_on = request->effect == PinEffect::kTracking && input.parsed.argc > 2 &&
                       IsKeyword(input.parsed.arg(2), "on");
  request->effect_broadcast = request->effect_on && AsksForBroadcast(input.parsed);
  if (request->effect == PinEffect::kMulti && !pin.expected().transaction) {
    session_.pinned_->offered.clear();
    session_.pinned_->script_changes.clear();
    session_.pinned_->script_bytes = 0;
  }
  pin.OnSent(request->effect, request->effect_on);
  session_.pinned_->exec_sent = request->effect == PinEffect::kExec;
  if (request->effect == PinEffect::kExec && session_.pinned_->deferred != nullptr) {
    request->extra =
        Deferred::MakeTask(std::move(session_.pinned_->deferred), &session_, request->silent);
    request->use = ReplyUse::kForward;
    request->collect = true;
    session_.SetPause(Pause::kAsk);
  }
  if (request->effect == PinEffect::kExec && !session_.pinned_->script_changes.empty()) {
    if (request->extra == nullptr) request->extra = std::make_unique<RequestTask>();
    static_cast<RequestTask&>(*request->extra).script_changes =
        std::move(session_.pinned_->script_changes);
    session_.pinned_->script_changes.clear();
  }
  if (request->effect == PinEffect::kDiscard) {
    session_.pinned_->deferred.reset();
    session_.pinned_->script_changes.clear();
  }
  // What is behind a command that may take for ever may do so, too.
  if (pin.blocked()) request->deadline_ms = 0;
}

// A request whose end is not there yet. The link is ready, so it takes what it gets.
bool Dispatcher::SendLarge(Link* link, const Plan& plan, const Input& input) {
  const bool silent = TakeSilence();
  Request* request = session_.Push(plan.entry);
  request->silent = silent;
  request->use = silent ? ReplyUse::kSwallow : ReplyUse::kForward;
  request->streamed = request->arriving = true;
  Slice copy;
  if (input.parsed.rewritten) {
    copy = Slice::Copy(worker_.context().chunks, input.parsed.wire);
  } else {
    copy = Slice(input.chunk, input.parsed.wire);
  }
  NoteOwnRequest(plan, input, request);
  // Of PUBLISH, only the message is large.
  const bool counts = plan.entry != nullptr && plan.entry->counts_receivers &&
                      input.parsed.argc == 2 && worker_.CountsOf(session_.upstream_).any();
  if (counts || input.keeps() || input.reply_marks != 0) {
    auto task = std::make_unique<RequestTask>();
    task->reply_marks = input.reply_marks;
    task->reply_head_bytes = counts ? 0 : input.reply_head_bytes;
    if (counts) {
      task->ask.finish = ReceiverCorrection(&worker_.CountsOf(session_.upstream_),
                                            plan.entry->spec->name, ArgList(input.parsed));
    }
    if (input.keeps()) task->kept = std::move(*input.kept);
    request->extra = std::move(task);
    if (counts || (input.reply_marks != 0 && !silent)) request->collect = true;
  }
  if (request->caching) session_.SayCaching(link, *request);
  if (!link->Send(request, copy.chunk(), copy.view())) return true;
  ++session_.on_links_;
  session_.flow_ = link;
  worker_.context().stats.requests_streamed.Add();
  session_.extras().large =
      std::make_unique<Session::Large>(Session::Large{.tail = *input.tail, .request = request});
  return true;
}

}  // namespace weir
