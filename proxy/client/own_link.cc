// A client's own connection to the node: taken for what cannot share one, given back when clean.
//
// From then on all that the client sends goes over it, so order holds as it does with Redis, until
// everything is answered and nothing is held any more (see pin.h). To change over, in either
// direction, the client's earlier requests must be answered first.
//
//   none --command that needs one--> opening --> held --all answered, nothing held--> none
//                                       |          |
//                            refused: error      broke: what was held is lost, and
//                                                  transaction   its EXEC gets EXECABORT
//                                                  watch         the next EXEC gets null, as if a
//                                                                watched key had been changed
//                                                  anything else the client is closed, as it would
//                                                                be by Redis
//
// What it holds cannot be rebuilt, so nothing is ever sent again on another connection.
#include <algorithm>
#include <optional>

#include "plugins/text.h"
#include "proxy/backend/call.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/deferred.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
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

PinEffect EffectOf(const CommandEntry* entry) {
  return entry == nullptr ? PinEffect::kNone : entry->effect;
}

// Without anything held these do nothing but say so: any connection will do.
bool IsIdleWithoutPin(PinEffect effect) {
  return effect == PinEffect::kExec || effect == PinEffect::kDiscard ||
         effect == PinEffect::kUnwatch;
}

// In a transaction, the node runs them when it executes it, on the client's own connection.
bool ChangesConnection(LocalCommand local) {
  switch (local) {
    case LocalCommand::kSelect:
    case LocalCommand::kHello:
    case LocalCommand::kAuth:
    case LocalCommand::kClientSetname:
    case LocalCommand::kClientSetinfo:
    case LocalCommand::kClientNoEvict:
    case LocalCommand::kClientNoTouch:
      return true;
    default:
      return false;
  }
}

// What a client offers to be known by, in AUTH or HELLO.
std::optional<Credentials> Offered(LocalCommand local, const ParsedRequest& parsed) {
  std::optional<Credentials> offered;
  if (local == LocalCommand::kAuth) {
    if (parsed.argc == 2) offered = Credentials{.user = {}, .password = std::string(parsed.arg(1))};
    if (parsed.argc == 3)
      offered = Credentials{std::string(parsed.arg(1)), std::string(parsed.arg(2))};
  } else if (local == LocalCommand::kHello) {
    for (uint32_t i = 2; i + 1 < parsed.argc; ++i) {
      if (IsKeyword(parsed.arg(i), "setname")) {
        ++i;
      } else if (IsKeyword(parsed.arg(i), "auth") && i + 2 < parsed.argc) {
        offered = Credentials{std::string(parsed.arg(i + 1)), std::string(parsed.arg(i + 2))};
        i += 2;
      } else {
        break;
      }
    }
  }
  return offered;
}

// What names other clients by weir's numbers, or is weir's own, means nothing to the node.
bool NotInTransaction(const CommandEntry& entry) {
  switch (entry.local) {
    case LocalCommand::kWeir:
    case LocalCommand::kWeirOn:
    case LocalCommand::kWeirHealth:
    case LocalCommand::kWeirTopology:
    case LocalCommand::kWeirUpstreams:
    case LocalCommand::kClientReply:
      return true;
    default:
      return false;
  }
}

// The value of a field of CLIENT INFO's line.
std::optional<std::string_view> Field(std::string_view line, std::string_view name) {
  const std::string begin = Concat(" ", name, "=");
  const size_t at = line.find(begin);
  if (at == std::string_view::npos) return std::nullopt;
  line.remove_prefix(at + begin.size());
  return line.substr(0, line.find_first_of(" \r\n"));
}

// The conversation is from now on what the node says of the connection. If it is another user's,
// then that one's of those offered whose name it is.
std::string Adopt(const std::vector<Credentials>& offered, Conversation& conversation,
                  std::string_view reply) {
  if (const auto user = Field(reply, "user"); user && *user != conversation.user()) {
    const auto is_it = [&user](const Credentials& c) {
      return (c.user.empty() ? "default" : std::string_view(c.user)) == *user;
    };
    const auto found = std::find_if(offered.rbegin(), offered.rend(), is_it);
    if (found != offered.rend()) {
      conversation.Become(found->user, found->password);
    } else if (!offered.empty()) {
      conversation.authenticated = false;  // as it cannot be said who it is
    }
  }
  int64_t number = 0;
  if (const auto db = Field(reply, "db"); db && ParseWireNumber(*db, &number)) {
    conversation.db = static_cast<int32_t>(number);
  }
  if (const auto version = Field(reply, "resp"); version && ParseWireNumber(*version, &number)) {
    conversation.protocol_version = static_cast<uint8_t>(number);
  }
  if (const auto name = Field(reply, "name")) conversation.SetName(*name);
  return {};
}

}  // namespace

// ---- Dispatcher: which requests go over it

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
    session.full_link_ = link;
    session.SetPause(Pause::kLinkFull);
    return false;
  }
  if (link->state() != Link::State::kReady) return RefuseUnopened(plan, input, link->RefusalLine());
  return std::nullopt;
}

// With several nodes, another may serve the slot soon.
bool Dispatcher::RefuseUnopened(const Plan& plan, const Input& input, const std::string& line) {
  const std::string copy = line;
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
  }
  pin.OnSent(request->effect, request->effect_on);
  session_.pinned_->exec_sent = request->effect == PinEffect::kExec;
  if (request->effect == PinEffect::kExec && session_.pinned_->deferred != nullptr) {
    request->extra = Deferred::MakeTask(std::move(session_.pinned_->deferred), &session_);
    request->collect = true;
    session_.SetPause(Pause::kAsk);
  }
  if (request->effect == PinEffect::kDiscard) session_.pinned_->deferred.reset();
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
  if (counts || input.keeps()) {
    auto task = std::make_unique<RequestTask>();
    if (counts) {
      task->ask.finish = ReceiverCorrection(&worker_.CountsOf(session_.upstream_),
                                            plan.entry->spec->name, ArgList(input.parsed));
    }
    if (input.keeps()) task->kept = std::move(*input.kept);
    request->extra = std::move(task);
    if (counts) request->collect = true;
  }
  if (!link->Send(request, copy.chunk(), copy.view())) return true;
  ++session_.on_links_;
  session_.flow_ = link;
  worker_.context().stats.requests_streamed.Add();
  session_.large_ =
      std::make_unique<Session::Large>(Session::Large{.tail = *input.tail, .request = request});
  return true;
}

// Behind an EXEC that ran SELECT, HELLO or the like: what is the connection now?
void Dispatcher::AskWhatChanged() {
  const CommandEntry* const last_entry = session_.last_entry_;
  Request* request = session_.Push(nullptr);
  session_.last_entry_ = last_entry;
  request->silent = true;
  request->collect = true;
  auto task = std::make_unique<RequestTask>();
  task->ask.finish = [offered = std::move(session_.pinned_->offered)](Conversation& conversation,
                                                                      std::string_view reply) {
    return Adopt(offered, conversation, reply);
  };
  task->ask.serial = true;
  request->extra = std::move(task);
  // Nor is it known of the connection, until it is told again or given back. HELLO 3 in a
  // transaction and HELLO 2 behind it left the key as it was, and the connection in RESP3.
  session_.pinned_->at.protocol_version = 0;
  session_.pinned_->at.db = -1;
  std::string bytes;
  AppendRequest(&bytes, {"CLIENT", "INFO"});
  const Slice wire = Slice::Copy(worker_.context().chunks, bytes);
  session_.SetPause(Pause::kAsk);
  if (!session_.own_link_->Send(request, wire.chunk(), wire.view())) return;
  ++session_.on_links_;
}

// ---- Dispatcher: what is different while the client has one

std::optional<bool> Dispatcher::PerformPinned(const Plan& plan, const Input& input) {
  if (session_.own_link_ == nullptr) return AnswerAfterLoss(plan, input);
  const Pin& pin = session_.pinned_->state;
  const LocalCommand local = plan.entry == nullptr ? LocalCommand::kNone : plan.entry->local;
  if (plan.kind == PlanKind::kSingle || plan.kind == PlanKind::kPinned) {
    if (EffectOf(plan.entry) != PinEffect::kExec || !session_.pinned_->lost.watch) {
      return std::nullopt;
    }
    if (WaitForAnswers()) return false;
    if (!pin.holds().transaction) return std::nullopt;
    return FailExec(plan, input);
  }
  if (local == LocalCommand::kReset) {
    if (WaitForAnswers()) return false;
    session_.DropOwnLink("-ERR weir: the client reset its connection");
    return std::nullopt;
  }
  if (pin.expected().transaction || pin.holds().transaction) {
    // Whether it is in a transaction, the answers on their way will tell.
    if (!pin.settled() && WaitForAnswers()) return false;
    if (pin.holds().transaction) return PerformInTransaction(plan, input);
  }
  // Pushes come before the replies to what was asked after them.
  const bool pings = local == LocalCommand::kPing || local == LocalCommand::kEcho;
  if (pings && (pin.expected().tracking || pin.expected().other)) return SendOwn(plan, input);
  const bool asks_tracking =
      local == LocalCommand::kClientGetredir || local == LocalCommand::kClientTrackinginfo;
  if (asks_tracking && pin.expected().tracking) return AskTracking(plan, input);
  return std::nullopt;
}

// What weir would otherwise answer or refuse by itself. The node queues it, or must know that the
// transaction has failed.
bool Dispatcher::PerformInTransaction(const Plan& plan, const Input& input) {
  if (plan.kind != PlanKind::kLocal || plan.entry == nullptr) {
    worker_.context().stats.requests_denied.Add();
    const std::string_view line =
        plan.reason.empty() ? "-ERR weir: this is not possible inside MULTI" : plan.reason;
    return RefuseInTransaction(plan.entry, line, input);
  }
  const CommandEntry& entry = *plan.entry;
  switch (entry.local) {
    case LocalCommand::kQuit:
    case LocalCommand::kCloseSilently:
      return AnswerLocally(plan, input);
    case LocalCommand::kUnknownCommand:
    case LocalCommand::kUnknownSubcommand:
      session_.SendOnOwnLink({"weir.refused"});
      return AnswerLocally(plan, input);
    default:
      break;
  }
  if (const std::optional<bool> done = Defer(plan, input)) return *done;
  std::optional<Credentials> offered = Offered(entry.local, input.parsed);
  const AuthMode mode = worker_.config().auth.mode;
  std::vector<Credentials>& all = session_.pinned_->offered;
  // Of two passwords for one user nothing tells which of them was right.
  const auto differs = [&](const Credentials& c) {
    return c.user == offered->user && c.password != offered->password;
  };
  const bool unknowable =
      offered && (mode == AuthMode::kUsers || all.size() == Pinned::kOfferedMax ||
                  (mode == AuthMode::kPassthrough && std::any_of(all.begin(), all.end(), differs)));
  if (NotInTransaction(entry) || unknowable) {
    return RefuseInTransaction(
        &entry, Concat("-ERR weir: '", entry.spec->name, "' is not possible inside MULTI"), input);
  }
  if (ChangesConnection(entry.local)) session_.pinned_->state.OnSessionCommandQueued();
  if (offered && mode == AuthMode::kPassthrough) all.push_back(*std::move(offered));
  return SendOwn(plan, input);
}

// With Redis an error makes EXEC fail, so the node gets something that it, too, will refuse.
bool Dispatcher::RefuseInTransaction(const CommandEntry* entry, std::string_view line,
                                     const Input& input) {
  session_.SendOnOwnLink({"weir.refused"});
  return Refuse(entry, line, input);
}

// A request of weir's making in the place of the client's own. `finish` null: its reply goes on as
// it is; else it makes the client's reply of the node's.
bool Dispatcher::SendInstead(const Plan& plan, const Input& input, const Instead& instead) {
  const bool silent = TakeSilence();
  Request* request = session_.Push(plan.entry);
  request->silent = silent;
  request->request_bytes = input.parsed.wire.size();
  request->deadline_ms = worker_.DeadlineMs(session_.upstream_, plan.entry);
  request->effect = instead.effect;
  request->effect_on = instead.effect_on;
  request->effect_broadcast = instead.effect_broadcast;
  session_.pinned_->state.OnSent(instead.effect, instead.effect_on);
  if (instead.finish != nullptr) {
    auto task = std::make_unique<RequestTask>();
    task->ask.finish = instead.finish;
    request->extra = std::move(task);
    request->collect = true;
  }
  const Slice wire = Slice::Copy(worker_.context().chunks, instead.bytes);
  if (session_.own_link_->Send(request, wire.chunk(), wire.view())) ++session_.on_links_;
  session_.flow_ = session_.own_link_;
  return true;
}

// EXEC after the connection that watched its keys was lost: they may have changed since.
bool Dispatcher::FailExec(const Plan& plan, const Input& input) {
  Instead instead;
  AppendRequest(&instead.bytes, {"DISCARD"});
  instead.effect = PinEffect::kDiscard;
  instead.finish = [](Conversation& conversation, std::string_view reply) {
    if (reply.starts_with('-')) return std::string(reply);
    return std::string(conversation.protocol_version == 2 ? "*-1\r\n" : "_\r\n");
  };
  return SendInstead(plan, input, instead);
}

// The connection broke while it held something.
std::optional<bool> Dispatcher::AnswerAfterLoss(const Plan& plan, const Input& input) {
  const PinHolds lost = session_.pinned_->lost;
  const LocalCommand local = plan.entry == nullptr ? LocalCommand::kNone : plan.entry->local;
  if (local == LocalCommand::kQuit) return std::nullopt;
  if (local == LocalCommand::kReset) {
    session_.DropOwnLink({});
    return std::nullopt;
  }
  const PinEffect effect = EffectOf(plan.entry);
  const bool ends = lost.transaction ? effect == PinEffect::kExec || effect == PinEffect::kDiscard
                                     : lost.watch && effect == PinEffect::kUnwatch;
  // The failure is an error line: "-CODE weir: what happened".
  const std::string failure = session_.pinned_->failure;
  const std::string_view why = std::string_view(failure).substr(failure.find("weir: ") + 6);
  if (ends) {
    session_.DropOwnLink({});
    if (effect == PinEffect::kExec) {
      return Refuse(plan.entry,
                    Concat("-EXECABORT weir: the transaction was discarded because ", why), input);
    }
    return Refuse(plan.entry, "+OK", input);
  }
  if (!lost.transaction) return std::nullopt;
  return Refuse(
      plan.entry,
      Concat("-ERR weir: the transaction was lost because ", why, "; EXEC or DISCARD ends it"),
      input);
}

// ---- Session: having one

bool Session::TakeOwnLink(const LinkKey& key) {
  LinkGroup* group = worker_->UpstreamAt(upstream_).Hold(key);
  Link* link = group->TakeExclusive();
  group->Release();
  if (link == nullptr) return false;
  if (pinned_ == nullptr) pinned_ = std::make_unique<Pinned>();
  pinned_->state = Pin();
  pinned_->upstream = upstream_;
  pinned_->served = false;
  pinned_->failure.clear();
  pinned_->at = link->key();
  own_link_ = link;
  if (routes_ != nullptr) routes_->pinned_slot = kNoSlot;
  link->SetHolder(this);
  link->Connect();
  return true;
}

// At the end of each turn: is it still needed?
void Session::SettleOwnLink() {
  const InLane in(this, pinned_->upstream);
  Pinned& pinned = *pinned_;
  if (!pinned.failure.empty() && own_link_ != nullptr) {
    // A request on it timed out: whatever it will do, it is done on its own.
    own_link_->CloseNow(pinned.failure);
    if (pinned_ == nullptr) return;
  }
  if (own_link_ == nullptr) return;
  const Pin& pin = pinned.state;
  if (pin.holds().any() && !pinned.at.SameClient(group_->key()) &&
      own_link_->state() == Link::State::kReady) {
    FollowConversation();
  }
  const bool asks = (pauses_ & static_cast<uint16_t>(Pause::kAsk)) != 0;
  const bool in_use = on_links_ != 0 || large_ != nullptr || full_link_ == own_link_ || asks;
  if (in_use || pin.holds().any()) {
    ShowPinReason(pin.reason());
  } else {
    GiveBackOwnLink();
  }
}

void Session::GiveBackOwnLink() {
  const InLane in(this, pinned_->upstream);
  Link* link = std::exchange(own_link_, nullptr);
  if (flow_ == link) flow_ = nullptr;
  link->SetHolder(nullptr);
  if (link->state() != Link::State::kClosed) {
    LinkGroup* group = worker_->UpstreamAt(upstream_).Hold(link->key());
    group->GiveBack(link, pinned_->state.clean() && pinned_->at == link->key());
    group->Release();
  }
  ShowPinReason(PinReason::kNone);
  if (!pinned_->lost.watch) pinned_.reset();
}

// Closes it and forgets all that it held.
void Session::DropOwnLink(std::string_view line) {
  Link* link = std::exchange(own_link_, nullptr);
  if (pinned_ == nullptr) return;
  const InLane in(this, pinned_->upstream);
  TellTarget();
  ShowPinReason(PinReason::kNone);
  pinned_.reset();
  if (link == nullptr) return;
  if (flow_ == link) flow_ = nullptr;
  link->SetHolder(nullptr);
  link->CloseNow(line);
}

// A request of weir's own whose reply nobody hears.
void Session::SendOnOwnLink(std::initializer_list<std::string_view> args) {
  std::string bytes;
  AppendRequest(&bytes, args);
  LoopContext& context = worker_->context();
  Request* request = context.requests.Make();
  request->use = ReplyUse::kSwallow;
  request->received_ns = context.NowNs();
  const Slice wire = Slice::Copy(context.chunks, bytes);
  if (!own_link_->Send(request, wire.chunk(), wire.view())) {
    context.requests.ReleaseIfUnused(request);
  }
}

// The client has said SELECT, HELLO or AUTH while its connection holds something. The node has
// agreed to it elsewhere.
void Session::FollowConversation() {
  const LinkKey& to = group_->key();
  LinkKey& at = pinned_->at;
  if (at.protocol_version != to.protocol_version) {
    SendOnOwnLink({"HELLO", to.protocol_version == 3 ? "3" : "2"});
  }
  if (at.user != to.user || at.password != to.password) {
    if (to.user.empty()) {
      SendOnOwnLink({"AUTH", to.password});
    } else {
      SendOnOwnLink({"AUTH", to.user, to.password});
    }
  }
  if (at.no_touch != to.no_touch) {
    SendOnOwnLink({"CLIENT", "NO-TOUCH", to.no_touch ? "ON" : "OFF"});
  }
  if (at.db != to.db) SendOnOwnLink({"SELECT", std::to_string(to.db)});
  const NodeIndex node = at.node;
  at = to;
  at.node = node;
  pinned_->state.Taint();
}

// ---- Session: what comes over it

void Session::NoteOwnReplies(const Request& request, uint32_t frames, bool error) {
  Pin& pin = pinned_->state;
  pinned_->served = true;
  for (uint32_t i = 0; i < frames; ++i) {
    const bool queues = pin.holds().transaction && !error;
    const bool had_watch_end =
        request.effect == PinEffect::kDiscard || (request.effect == PinEffect::kUnwatch && !queues);
    if (queues && request.effect != PinEffect::kExec) pin.OnQueued(1);
    pin.OnReplied(request.effect, request.effect_on, error);
    if (request.effect == PinEffect::kMulti && !error) pinned_->deferred.reset();
    if (request.effect == PinEffect::kTracking && !error && !queues) {
      pinned_->broadcast = request.effect_broadcast;
      pinned_->redirect_broken = false;
    }
    if (had_watch_end && !error) pinned_->lost.watch = false;
  }
}

// A transaction that the client believes to be in never began.
void Session::LoseTransaction(std::string_view line) {
  DropOwnLink(line);
  pinned_ = std::make_unique<Pinned>();
  pinned_->upstream = upstream_;
  pinned_->failure = line;
  pinned_->lost.transaction = true;
}

void Session::NoteOwnLinkLost(std::string_view line) {
  // It has only heard that MULTI was accepted, and that can be begun again.
  if (multi() != nullptr && multi()->sent) return;
  if (!pinned_->failure.empty()) return;
  const bool watch_lost = pinned_->lost.watch;
  pinned_->failure = line;
  pinned_->lost = pinned_->state.expected();
  pinned_->lost.watch |= watch_lost;
  // If MULTI has had no answer, the client cannot know where it is. As with Redis itself, the end
  // of its connection tells it.
  if (pinned_->lost.transaction && !pinned_->state.holds().transaction) KillAfterReplies();
  Schedule();
}

void Session::OnOwnLinkGone(std::string_view /*line*/) {
  const InLane in(this, pinned_->upstream);
  Link* link = std::exchange(own_link_, nullptr);
  if (flow_ == link) flow_ = nullptr;
  TellTarget();
  if (closed_) return;
  ShowPinReason(PinReason::kNone);
  if (multi() != nullptr && multi()->sent) {
    multi()->sent = false;
    pinned_.reset();
    if (++multi()->breaks > DeferredMulti::kBreaksMax) {
      multi_place().reset();
      LoseTransaction(link->LossLine());
    }
    return;
  }
  // If it served nobody, its opening has failed, and the request that waits for it says so.
  const bool served = pinned_->served;
  NoteOwnLinkLost(link->LossLine());
  const PinHolds& lost = pinned_->lost;
  if (lost.tracking || lost.other) {
    KillAfterReplies();
  } else if (!lost.any() && served) {
    pinned_.reset();
  }
}

// Invalidations, and a replica's stream. The client's replies come over the same connection, so
// none of them can be half said now. If it does not read, neither does weir: Redis has its own
// bound.
void Session::OnPush(Chunk* chunk, std::string_view bytes) {
  const PinHolds& held = pinned_->state.expected();
  const bool wanted = held.tracking || held.other || pinned_->state.holds().tracking;
  if (!wanted || (!streaming_ && !TakesPush(bytes))) return;
  if (streaming_ || !PushBrokenRedirect(bytes)) out_.Append(chunk, bytes);
  Schedule();
  if (out_.bytes() > worker_->output_pause_bytes() && paused_link_ == nullptr) {
    SetPause(Pause::kOutput);
    own_link_->PauseReadingFor(this);
    paused_link_ = own_link_;
  }
}

int64_t Session::OwnConnectionId() const {
  return own_link_ == nullptr ? 0 : own_link_->client_id();
}

bool Session::Unblock(bool with_error) {
  if (pinned_ == nullptr || own_link_ == nullptr || !pinned_->state.blocked()) return false;
  const InLane in(this, pinned_->upstream);
  std::string request;
  AppendRequest(&request, {"CLIENT", "UNBLOCK", std::to_string(own_link_->client_id()),
                           with_error ? "ERROR" : "TIMEOUT"});
  Upstream& upstream = worker_->UpstreamAt(upstream_);
  LinkKey key = group_->key();
  key.node = pinned_->at.node;
  LinkGroup* group = upstream.Hold(key);
  CallUpstream(&worker_->context(), &upstream, group, std::move(request),
               /*retryable=*/false, [](std::string_view) {});
  group->Release();
  return true;
}

void Session::ShowPinReason(PinReason reason) {
  if (reason == pinned_->shown) return;
  WorkerStats& stats = worker_->context().stats;
  const auto count = [&stats](PinReason of, int64_t change) {
    switch (of) {
      case PinReason::kNone:
        return;
      case PinReason::kTransaction:
        return stats.pinned_transaction.Add(change);
      case PinReason::kWatch:
        return stats.pinned_watch.Add(change);
      case PinReason::kBlocked:
        return stats.pinned_blocked.Add(change);
      case PinReason::kTracking:
        return stats.pinned_tracking.Add(change);
      case PinReason::kOther:
        return stats.pinned_other.Add(change);
    }
  };
  count(pinned_->shown, -1);
  count(reason, 1);
  pinned_->shown = reason;
}

}  // namespace weir
