// PING, ECHO, QUIT, RESET and SELECT.
#include <cstdint>
#include <limits>

#include "proxy/client/authenticator.h"
#include "proxy/client/local_call.h"
#include "proxy/client/permission.h"
#include "proxy/client/server_version.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

// CLIENT SETINFO is about the library, which stays the same; so does NO-EVICT before Redis 7.2.
void ResetNames(int server_version, Conversation* conversation) {
  if (conversation->names == nullptr) return;
  ConversationNames kept;
  kept.lib_name = std::move(conversation->names->lib_name);
  kept.lib_version = std::move(conversation->names->lib_version);
  kept.no_evict = conversation->names->no_evict && server_version < MakeVersion(7, 2);
  if (kept.lib_name.empty() && kept.lib_version.empty() && !kept.no_evict) {
    conversation->names.reset();
  } else {
    *conversation->names = std::move(kept);
  }
}

LocalOutcome AskSelect(int32_t db) {
  LocalOutcome outcome = AskOwnBytes([db](Conversation& conversation, std::string_view reply) {
    conversation.db = db;
    return std::string(reply);
  });
  // On a link for that db, so that no other client's link is changed by it.
  outcome.ask.db = db;
  outcome.ask.serial = true;
  return outcome;
}

}  // namespace

LocalOutcome AnswerPing(const LocalCall& call) {
  if (NeedsPermission(call)) return Forward();
  if (call.argc() > 2) return SayError(RedisError::kWrongArgCount, call.entry.spec->name);
  if (call.argc() == 1) return SayBytes("+PONG\r\n");
  return SayBytes(
      MakeReply(call.protocol_version(), [&](ReplyWriter& reply) { reply.Bulk(call.arg(1)); }));
}

LocalOutcome AnswerEcho(const LocalCall& call) {
  if (NeedsPermission(call)) return Forward();
  return SayBytes(
      MakeReply(call.protocol_version(), [&](ReplyWriter& reply) { reply.Bulk(call.arg(1)); }));
}

LocalOutcome AnswerQuit(const LocalCall&) {
  LocalOutcome outcome = SayOk();
  outcome.kind = LocalOutcome::Kind::kClose;
  return outcome;
}

LocalOutcome AnswerReset(const LocalCall& call) {
  Conversation& conversation = call.conversation;
  conversation.db = 0;
  conversation.protocol_version = 2;
  conversation.authenticated = !AuthRequired(*call.context.auth, call.context.url_has_credentials);
  ResetNames(ParseVersion(call.context.server->version), &conversation);
  // A SKIP that is in force for this very request stays, so RESET after it is silent.
  if (conversation.reply_mode == ReplyMode::kOff) conversation.reply_mode = ReplyMode::kOn;
  return SayBytes("+RESET\r\n");
}

LocalOutcome AnswerSelect(const LocalCall& call) {
  int64_t db = 0;
  if (!ParseWireNumber(call.arg(1), &db)) return SayError(RedisError::kNotAnInteger);
  constexpr int64_t kMin = std::numeric_limits<int32_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  if (db < kMin || db > kMax) {
    return SayError(Concat("value is out of range, value must between ", std::to_string(kMin),
                           " and ", std::to_string(kMax)));
  }
  if (db != 0 && call.context.server->mode == "cluster") {
    return SayError("SELECT is not allowed in cluster mode");
  }
  if (db < 0) return SayError(RedisError::kDbOutOfRange);
  if (db >= call.context.databases_known || NeedsPermission(call)) {
    return AskSelect(static_cast<int32_t>(db));
  }
  call.conversation.db = static_cast<int32_t>(db);
  return SayOk();
}

}  // namespace weir
