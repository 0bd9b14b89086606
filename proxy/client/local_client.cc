// CLIENT: what concerns the asking client alone.
#include "proxy/client/client_line.h"
#include "proxy/client/client_name.h"
#include "proxy/client/local_call.h"
#include "proxy/client/name_budget.h"
#include "proxy/client/permission.h"
#include "proxy/client/server_version.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

std::string SayId(Conversation& conversation) {
  return MakeReply(conversation.protocol_version, [&](ReplyWriter& reply) {
    reply.Integer(static_cast<int64_t>(conversation.id));
  });
}

std::string SayName(Conversation& conversation) {
  return MakeReply(conversation.protocol_version, [&](ReplyWriter& reply) {
    if (conversation.name().empty()) {
      reply.Null();
    } else {
      reply.Bulk(conversation.name());
    }
  });
}

// weir gives no client tracking yet, so each is as one that never asked for it.
std::string SayRedirection(Conversation& conversation) {
  return MakeReply(conversation.protocol_version, [](ReplyWriter& reply) { reply.Integer(-1); });
}

std::string SayTracking(Conversation& conversation) {
  return MakeReply(conversation.protocol_version, [](ReplyWriter& reply) {
    reply.MapHeader(3);
    reply.Bulk("flags");
    reply.SetHeader(1);
    reply.Bulk("off");
    reply.Bulk("redirect");
    reply.Integer(-1);
    reply.Bulk("prefixes");
    reply.ArrayHeader(0);
  });
}

LocalOutcome AnswerInfoLine(const LocalCall& call) {
  std::string line;
  AppendClientLine(&line, call.context.self(), LineStyleOf(*call.context.server));
  return WithPermission(call, [line = std::move(line)](Conversation& conversation) {
    return MakeReply(conversation.protocol_version,
                     [&](ReplyWriter& reply) { reply.Verbatim("txt", line); });
  });
}

LocalOutcome AnswerSetname(const LocalCall& call) {
  const std::string_view name = call.arg(2);
  const bool up_to_nul = ParseVersion(call.context.server->version) >= MakeVersion(7, 2);
  if (!IsClientName(up_to_nul ? CString(name) : name)) return SayError(RedisError::kClientName);
  NameBudget* names = call.context.names;
  return WithPermission(call, [names, name = std::string(name)](Conversation& conversation) {
    if (names != nullptr && !names->Allows(conversation.name().size(), name.size())) {
      return ErrorReply(names->Refusal());
    }
    conversation.SetName(name);
    return std::string(kOkReply);
  });
}

// Since Redis 7.2.
LocalOutcome AnswerSetinfo(const LocalCall& call) {
  std::string ConversationNames::*field = nullptr;
  if (call.Is(2, "lib-name")) field = &ConversationNames::lib_name;
  if (call.Is(2, "lib-ver")) field = &ConversationNames::lib_version;
  const std::string_view option = CString(call.arg(2));
  if (field == nullptr) return SayError(Concat("Unrecognized option '", option, "'"));
  if (!IsClientName(CString(call.arg(3)))) {
    return SayError(Concat(option, " cannot contain spaces, newlines or special characters."));
  }
  NameBudget* names = call.context.names;
  return WithPermission(
      call, [names, field, value = std::string(call.arg(3))](Conversation& conversation) {
        std::string& name = conversation.Names().*field;
        if (names != nullptr && !names->Allows(name.size(), value.size())) {
          return ErrorReply(names->Refusal());
        }
        name = value;
        return std::string(kOkReply);
      });
}

// NO-EVICT and NO-TOUCH.
LocalOutcome AnswerSwitch(const LocalCall& call, bool ConversationNames::*field) {
  const bool on = call.Is(2, "on");
  if (!on && !call.Is(2, "off")) return SayError(RedisError::kSyntax);
  return WithPermission(call, [field, on](Conversation& conversation) {
    if (on || conversation.names != nullptr) conversation.Names().*field = on;
    return std::string(kOkReply);
  });
}

std::string SetReplyMode(Conversation& conversation, ReplyMode mode) {
  // SKIP means nothing to a client that hears nothing anyway.
  if (mode == ReplyMode::kSkipNext && conversation.reply_mode == ReplyMode::kOff) return {};
  conversation.reply_mode = mode;
  return std::string(mode == ReplyMode::kOn ? kOkReply : "");
}

LocalOutcome AnswerReply(const LocalCall& call) {
  ReplyMode mode = ReplyMode::kOn;
  if (call.Is(2, "off")) {
    mode = ReplyMode::kOff;
  } else if (call.Is(2, "skip")) {
    mode = ReplyMode::kSkipNext;
  } else if (!call.Is(2, "on")) {
    return SayError(RedisError::kSyntax);
  }
  return WithPermission(
      call, [mode](Conversation& conversation) { return SetReplyMode(conversation, mode); });
}

// Ends the wait where weir knows that there is one.
LocalOutcome UnblockItself(const LocalCall& call) {
  bool with_error = false;
  if (call.argc() == 4) {
    with_error = call.Is(3, "error");
    if (!with_error && !call.Is(3, "timeout")) {
      return SayError("CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  } else if (call.argc() != 3) {
    return SayError(RedisError::kWrongArgCount, call.entry.spec->name);
  }
  int64_t id = 0;
  if (!ParseWireNumber(call.arg(2), &id)) return SayError(RedisError::kNotAnInteger);
  LocalOutcome::Gather gather;
  gather.visit = [id, with_error](ClientTable& clients, std::string* out) {
    if (clients.Unblock(static_cast<uint64_t>(id), with_error)) *out = "1";
  };
  gather.combine = [](Conversation&, const std::vector<std::string>& parts) {
    bool unblocked = false;
    for (const std::string& part : parts) unblocked |= !part.empty();
    return std::string(unblocked ? ":1\r\n" : ":0\r\n");
  };
  return GatherWithPermission(call, std::move(gather));
}

// The client goes by weir's number, and by another for Redis if it has a connection of its own.
// Whether it waits, and whether the words are right, only Redis knows.
LocalOutcome AnswerUnblock(const LocalCall& call) {
  if (call.context.unblocks_itself) return UnblockItself(call);
  int64_t id = 0;
  if (!ParseWireNumber(call.arg(2), &id)) return Forward();
  LocalOutcome outcome;
  outcome.kind = LocalOutcome::Kind::kGather;
  outcome.gather.visit = [id](ClientTable& clients, std::string* out) {
    const int64_t node_id = clients.OwnConnectionId(static_cast<uint64_t>(id));
    if (node_id != 0) *out = std::to_string(node_id);
  };
  outcome.gather.request = [args = call.CopyArgs(0)](const std::vector<std::string>& parts) {
    std::vector<std::string_view> words(args.begin(), args.end());
    words[2] = "0";  // nobody's
    for (const std::string& part : parts) {
      if (!part.empty()) words[2] = part;
    }
    std::string request;
    AppendRequest(&request, words);
    return request;
  };
  return outcome;
}

}  // namespace

LocalOutcome AnswerClient(const LocalCall& call) {
  switch (call.entry.local) {
    case LocalCommand::kClientGetname:
      return WithPermission(call, SayName);
    case LocalCommand::kClientGetredir:
      return WithPermission(call, SayRedirection);
    case LocalCommand::kClientId:
      return WithPermission(call, SayId);
    case LocalCommand::kClientInfo:
      return AnswerInfoLine(call);
    case LocalCommand::kClientKill:
      return AnswerClientKill(call);
    case LocalCommand::kClientList:
      return AnswerClientList(call);
    case LocalCommand::kClientNoEvict:
      return AnswerSwitch(call, &ConversationNames::no_evict);
    case LocalCommand::kClientNoTouch:
      return AnswerSwitch(call, &ConversationNames::no_touch);
    case LocalCommand::kClientReply:
      return AnswerReply(call);
    case LocalCommand::kClientSetinfo:
      return AnswerSetinfo(call);
    case LocalCommand::kClientSetname:
      return AnswerSetname(call);
    case LocalCommand::kClientTrackinginfo:
      return WithPermission(call, SayTracking);
    case LocalCommand::kClientUnblock:
      return AnswerUnblock(call);
    default:
      return Forward();  // CLIENT HELP: the server knows best what it has
  }
}

}  // namespace weir
