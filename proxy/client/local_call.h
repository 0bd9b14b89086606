// What each of weir's own answers is given, and the forms in which it answers.
//
// An answer that can only be given later (by an Ask's `finish`) holds copies of what it needs: the
// request's bytes and the context's pointers are gone by then, the conversation is handed to it.
#ifndef WEIR_PROXY_CLIENT_LOCAL_CALL_H_
#define WEIR_PROXY_CLIENT_LOCAL_CALL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/client/conversation.h"
#include "proxy/client/local_commands.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"
#include "resp/request_parser.h"
#include "routing/command_class.h"
#include "routing/text.h"

namespace weir {

// One request that weir answers; all of it is only valid until RunLocalCommand returns.
struct LocalCall {
  const LocalContext& context;
  const CommandEntry& entry;
  const ParsedRequest& request;
  Conversation& conversation;

  int protocol_version() const { return conversation.protocol_version; }
  uint32_t argc() const { return request.argc; }
  std::string_view arg(uint32_t i) const { return request.arg(i); }
  // Whether Redis would take argument i for this keyword.
  bool Is(uint32_t i, std::string_view keyword) const { return IsKeyword(arg(i), keyword); }
  // The arguments from `first` on, copied.
  std::vector<std::string> CopyArgs(uint32_t first) const {
    std::vector<std::string> args;
    for (uint32_t i = first; i < argc(); ++i) args.emplace_back(arg(i));
    return args;
  }
};

// What printf("%s") would take of it: in many places Redis treats an argument as a C string.
inline std::string_view CString(std::string_view text) { return text.substr(0, text.find('\0')); }

// `reply` as it is; empty: nothing is said.
inline LocalOutcome SayBytes(std::string reply) {
  LocalOutcome outcome;
  outcome.reply = std::move(reply);
  return outcome;
}

// The reply that write(ReplyWriter&) makes. An answer given later uses the protocol version that
// the client had when it asked: a HELLO behind it in the pipeline may have changed it since.
template <typename Writing>
std::string MakeReply(int protocol_version, Writing write) {
  std::string reply;
  ReplyWriter writer(&reply, protocol_version);
  write(writer);
  return reply;
}

inline constexpr std::string_view kOkReply = "+OK\r\n";
inline LocalOutcome SayOk() { return SayBytes(std::string(kOkReply)); }

// `text` as ReplyWriter::Error takes it.
inline std::string ErrorReply(std::string_view text) {
  std::string reply;
  ReplyWriter(&reply, 2).Error(text);
  return reply;
}
inline std::string ErrorReply(RedisError error, std::string_view subject = "") {
  return ErrorReply(ErrorText(error, subject));
}

inline LocalOutcome SayError(std::string_view text) { return SayBytes(ErrorReply(text)); }
inline LocalOutcome SayError(RedisError error, std::string_view subject = "",
                             std::string_view second = "") {
  return SayError(ErrorText(error, subject, second));
}

// Sends the client's own bytes upstream. `finish` gets the reply unless it is an error, which goes
// to the client as it is.
template <typename Finish>
LocalOutcome AskOwnBytes(Finish finish) {
  LocalOutcome outcome;
  outcome.kind = LocalOutcome::Kind::kAsk;
  outcome.ask.finish = [finish = std::move(finish)](Conversation& conversation,
                                                    std::string_view reply) {
    const bool error = reply.starts_with('-') || reply.starts_with('!');
    return error ? std::string(reply) : finish(conversation, reply);
  };
  return outcome;
}

// Sends the client's own bytes upstream and hands on the reply as it is.
inline LocalOutcome Forward() {
  return AskOwnBytes([](Conversation&, std::string_view reply) { return std::string(reply); });
}

// The answers, one for each command; subcommands are told apart by call.entry.local. All may
// rely on arity and authentication having been checked.
LocalOutcome AnswerPing(const LocalCall& call);  // local_connection.cc
LocalOutcome AnswerEcho(const LocalCall& call);
LocalOutcome AnswerQuit(const LocalCall& call);
LocalOutcome AnswerReset(const LocalCall& call);
LocalOutcome AnswerSelect(const LocalCall& call);
LocalOutcome AnswerAuth(const LocalCall& call);         // local_auth.cc
LocalOutcome AnswerHello(const LocalCall& call);        // local_hello.cc
LocalOutcome AnswerClient(const LocalCall& call);       // local_client.cc
LocalOutcome AnswerClientKill(const LocalCall& call);   // local_client_kill.cc
LocalOutcome AnswerClientList(const LocalCall& call);   // local_client_list.cc
LocalOutcome AnswerCommand(const LocalCall& call);      // local_command.cc
LocalOutcome AnswerInfo(const LocalCall& call);         // local_info.cc
LocalOutcome AnswerWeir(const LocalCall& call);         // local_info.cc
LocalOutcome AnswerWeirSlowlog(const LocalCall& call);  // local_slowlog.cc
LocalOutcome AnswerWeirKeys(const LocalCall& call);     // local_keys.cc

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_LOCAL_CALL_H_
