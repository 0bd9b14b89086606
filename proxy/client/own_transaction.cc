// What weir does of its own inside MULTI, and for a transaction whose connection was lost.
//
// The node queues what the client sends, as it is. Weir steps in where it would otherwise answer by
// itself, because the node has to know of each command that the client believes to be queued:
//
//   refused by weir            the node gets something that it refuses too, so that EXEC fails
//   only weir can answer it    the node queues a stand-in (deferred.cc)
//   changes the connection     the node queues it; after EXEC it is asked what became of that
//   watched keys were lost     EXEC becomes DISCARD, and its reply the null of a dirty EXEC
#include <algorithm>
#include <optional>

#include "plugins/text.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/request_task.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"
#include "routing/text.h"

namespace weir {
namespace {

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

// The longest name that the client wants to give itself by CLIENT SETNAME or HELLO.
size_t WantedNameBytes(LocalCommand local, const ParsedRequest& parsed) {
  if (local == LocalCommand::kClientSetname) return parsed.argc > 2 ? parsed.arg(2).size() : 0;
  size_t wanted = 0;
  for (uint32_t i = 2; local == LocalCommand::kHello && i + 1 < parsed.argc; ++i) {
    if (IsKeyword(parsed.arg(i), "setname")) wanted = std::max(wanted, parsed.arg(i + 1).size());
  }
  return wanted;
}

// What names other clients by weir's numbers, or is weir's own, means nothing to the node.
bool NotInTransaction(const CommandEntry& entry) {
  switch (entry.local) {
    case LocalCommand::kWeir:
    case LocalCommand::kWeirOn:
    case LocalCommand::kWeirBigkeys:
    case LocalCommand::kWeirHealth:
    case LocalCommand::kWeirHotkeys:
    case LocalCommand::kWeirSlowlog:
    case LocalCommand::kWeirTopology:
    case LocalCommand::kWeirUpstreams:
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
// then that one's of those offered whose name it is, which is returned.
const Credentials* Adopt(const std::vector<Credentials>& offered, const NameBudget& names,
                         Conversation& conversation, std::string_view reply) {
  const Credentials* other = nullptr;
  if (const auto user = Field(reply, "user"); user && *user != conversation.user()) {
    const auto is_it = [&user](const Credentials& c) {
      return (c.user.empty() ? "default" : std::string_view(c.user)) == *user;
    };
    const auto found = std::find_if(offered.rbegin(), offered.rend(), is_it);
    if (found != offered.rend()) {
      other = &*found;
      conversation.Become(other->user, other->password);
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
  // Too late for an error; if others have taken all the room since it was queued, it has no effect.
  if (const auto name = Field(reply, "name");
      name && names.Allows(conversation.name().size(), name->size())) {
    conversation.SetName(*name);
  }
  return other;
}

}  // namespace

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
  if (plan.kind == PlanKind::kSubscribe && !ConcernsInvalidations(input.parsed)) {
    return DeferSubscription(plan, input);
  }
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
  const bool asks_tracking = entry.local == LocalCommand::kClientGetredir ||
                             entry.local == LocalCommand::kClientTrackinginfo;
  if (asks_tracking && session_.tracking() != nullptr) return SendOwn(plan, input);
  if (const std::optional<bool> done = Defer(plan, input)) return *done;
  LocalInTransaction judged = JudgeLocal(entry, input.parsed, session_.pinned_->offered);
  if (!judged.refusal.empty()) return RefuseInTransaction(&entry, judged.refusal, input);
  if (judged.changes_connection) session_.pinned_->state.OnSessionCommandQueued();
  if (judged.offered) session_.pinned_->offered.push_back(*std::move(judged.offered));
  return SendOwn(plan, input);
}

Dispatcher::LocalInTransaction Dispatcher::JudgeLocal(
    const CommandEntry& entry, const ParsedRequest& parsed,
    const std::vector<Credentials>& offered_before) const {
  std::optional<Credentials> offered = Offered(entry.local, parsed);
  const AuthMode mode = worker_.config().auth.mode;
  const std::vector<Credentials>& all = offered_before;
  // Of two passwords for one user nothing tells which of them was right.
  const auto differs = [&](const Credentials& c) {
    return c.user == offered->user && c.password != offered->password;
  };
  const bool unknowable =
      offered && (mode == AuthMode::kUsers || all.size() == Pinned::kOfferedMax ||
                  (mode == AuthMode::kPassthrough && std::any_of(all.begin(), all.end(), differs)));
  LocalInTransaction judged;
  if (NotInTransaction(entry) || unknowable) {
    judged.refusal = Concat("-ERR weir: '", entry.spec->name, "' is not possible inside MULTI");
    return judged;
  }
  const size_t name_bytes = WantedNameBytes(entry.local, parsed);
  if (!worker_.names().Allows(session_.conversation_.name().size(), name_bytes)) {
    judged.refusal = Concat("-ERR ", worker_.names().Refusal());
    return judged;
  }
  judged.changes_connection = ChangesConnection(entry.local);
  if (mode == AuthMode::kPassthrough) judged.offered = std::move(offered);
  return judged;
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
  if (instead.finish != nullptr || input.reply_marks != 0) {
    auto task = std::make_unique<RequestTask>();
    task->ask.finish = instead.finish;
    task->reply_marks = input.reply_marks;
    if (input.keeps()) task->kept = std::move(*input.kept);
    request->extra = std::move(task);
    request->collect = true;
  }
  const Slice wire = Slice::Copy(worker_.context().chunks, instead.bytes);
  if (session_.own_link_->Send(request, wire.chunk(), wire.view())) ++session_.on_links_;
  session_.flow_ = session_.own_link_;
  return true;
}

// Behind an EXEC that ran SELECT, HELLO or the like: what is the connection now?
void Dispatcher::AskWhatChanged() {
  const CommandEntry* const last_entry = session_.traffic().last_entry;
  Request* request = session_.Push(nullptr);
  session_.traffic().last_entry = last_entry;
  request->silent = true;
  request->collect = true;
  auto task = std::make_unique<RequestTask>();
  task->ask.finish = [session = &session_, offered = std::move(session_.pinned_->offered),
                      names = &worker_.names()](Conversation& conversation,
                                                std::string_view reply) {
    const Credentials* other = Adopt(offered, *names, conversation, reply);
    if (other != nullptr && session->own_link_ != nullptr) {
      session->pinned_->at.user = other->user;
      session->pinned_->at.password = other->password;
    }
    return std::string();
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

// A transaction that the client believes to be in never began.
void Session::LoseTransaction(std::string_view line) {
  DropOwnLink(line);
  pinned_ = std::make_unique<Pinned>();
  pinned_->upstream = upstream_;
  pinned_->failure = line;
  pinned_->lost.transaction = true;
}

}  // namespace weir
