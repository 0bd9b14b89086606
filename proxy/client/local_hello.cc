// HELLO: the options one after the other as Redis takes them, then the switch of protocol. Since
// Redis 7.2 all of them are looked at before one takes effect, and of several the last one counts.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "proxy/client/authenticator.h"
#include "proxy/client/client_name.h"
#include "proxy/client/local_call.h"
#include "proxy/client/name_budget.h"
#include "proxy/client/server_version.h"
#include "proxy/config.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

// A HELLO on its way through its options; Redis may have to be asked in the middle of them.
struct Hello {
  int version = 2;
  std::vector<std::string> options;
  size_t next = 0;                      // the first option not yet done
  bool vetted = false;                  // options are at most one AUTH, then one SETNAME, all good
  std::optional<Credentials> to_check;  // by Redis, before the options from `next` on
  NameBudget* names = nullptr;          // as LocalContext::names

  size_t left() const { return options.size() - next; }
};

void WriteHello(ReplyWriter& reply, const ServerFacts& server, uint64_t id) {
  const bool resp3 = reply.protocol_version() == 3;
  reply.MapHeader(7);
  reply.Bulk("server");
  reply.Bulk(server.server);
  reply.Bulk("version");
  reply.Bulk(server.version);
  reply.Bulk("proto");
  reply.Integer(resp3 ? 3 : 2);
  reply.Bulk("id");
  reply.Integer(static_cast<int64_t>(id));
  reply.Bulk("mode");
  reply.Bulk(server.mode);
  reply.Bulk("role");
  reply.Bulk(server.role);
  reply.Bulk("modules");
}

// The server's own HELLO with the client's id in place of the link's.
std::string WithClientId(std::string_view reply, uint64_t id) {
  constexpr std::string_view kIdKey = "$2\r\nid\r\n:";
  const size_t key = reply.find(kIdKey);
  if (key == std::string_view::npos) return std::string(reply);
  const size_t begin = key + kIdKey.size();
  const size_t end = std::min(reply.find('\r', begin), reply.size());
  return Concat(reply.substr(0, begin), std::to_string(id), reply.substr(end));
}

// Does the options up to the end or to an AUTH that only Redis can check (hello->to_check). Returns
// the error reply if there is one. `config` is nullptr after such an AUTH.
std::optional<std::string> RunOptions(const AuthConfig* config, Hello* hello,
                                      Conversation& conversation) {
  while (hello->left() != 0) {
    const std::string* option = &hello->options[hello->next];
    if (IsKeyword(option[0], "auth") && hello->left() > 2) {
      if (config == nullptr) return ErrorReply("weir: HELLO takes AUTH once");
      hello->next += 3;
      const AuthVerdict verdict = Authenticate(*config, option[1], option[2]);
      if (verdict == AuthVerdict::kAskRedis && !option[1].empty()) {
        hello->to_check = Credentials{option[1], option[2]};
        return std::nullopt;
      }
      if (verdict != AuthVerdict::kAccepted) return ErrorReply(RedisError::kWrongPass);
      conversation.Become(option[1]);
    } else if (IsKeyword(option[0], "setname") && hello->left() > 1) {
      hello->next += 2;
      if (!hello->vetted && !IsClientName(option[1])) return ErrorReply(RedisError::kClientName);
      NameBudget* names = hello->names;
      if (names != nullptr && !names->Allows(conversation.name().size(), option[1].size())) {
        return ErrorReply(names->Refusal());
      }
      conversation.SetName(option[1]);
    } else {
      return ErrorReply(RedisError::kHelloOption, option[0]);
    }
  }
  return std::nullopt;
}

// Leaves the options that count. Returns the error reply to the first that is wrong.
std::optional<std::string> VetOptions(Hello* hello) {
  const std::vector<std::string>& all = hello->options;
  std::vector<std::string> auth, name;
  for (size_t i = 0; i < all.size();) {
    const size_t values = all.size() - i - 1;
    if (IsKeyword(all[i], "auth") && values > 1) {
      auth.assign(all.begin() + static_cast<ptrdiff_t>(i),
                  all.begin() + static_cast<ptrdiff_t>(i) + 3);
      i += 3;
    } else if (IsKeyword(all[i], "setname") && values > 0) {
      if (!IsClientName(CString(all[i + 1]))) return ErrorReply(RedisError::kClientName);
      name = {all[i], all[i + 1]};
      i += 2;
    } else {
      return ErrorReply(RedisError::kHelloOption, all[i]);
    }
  }
  hello->options = std::move(auth);
  hello->options.insert(hello->options.end(), name.begin(), name.end());
  hello->vetted = true;
  return std::nullopt;
}

// The server speaks for itself, on a link of the version to switch to and, if they are to be
// checked, of the credentials. If it does not answer, the client hears why and nothing is switched.
LocalOutcome AskRedis(Hello hello) {
  LocalOutcome outcome;
  outcome.kind = LocalOutcome::Kind::kAsk;
  AppendRequest(&outcome.ask.request, {"HELLO"});
  outcome.ask.protocol_version = hello.version;
  outcome.ask.credentials = hello.to_check;
  // In db 0, since a user who may not SELECT must still be able to say who it is.
  if (hello.to_check) outcome.ask.db = 0;
  outcome.ask.serial = true;
  outcome.ask.finish = [hello = std::move(hello)](Conversation& conversation,
                                                  std::string_view reply) mutable {
    if (reply.starts_with('-')) return std::string(reply);
    if (hello.to_check) conversation.Become(hello.to_check->user, hello.to_check->password);
    if (auto error = RunOptions(nullptr, &hello, conversation)) return *std::move(error);
    conversation.protocol_version = static_cast<uint8_t>(hello.version);
    return WithClientId(reply, conversation.id);
  };
  return outcome;
}

LocalOutcome Switch(int version, const ServerFacts& server, Conversation& conversation) {
  conversation.protocol_version = static_cast<uint8_t>(version);
  std::string reply =
      MakeReply(version, [&](ReplyWriter& writer) { WriteHello(writer, server, conversation.id); });
  const std::string& modules = version == 3 ? server.modules_resp3 : server.modules_resp2;
  return SayBytes(reply + (modules.empty() ? "*0\r\n" : modules));
}

}  // namespace

LocalOutcome AnswerHello(const LocalCall& call) {
  Conversation& conversation = call.conversation;
  Hello hello;
  hello.version = conversation.protocol_version;
  hello.names = call.context.names;
  if (call.argc() > 1) {
    int64_t version = 0;
    if (!ParseWireNumber(call.arg(1), &version)) {
      return SayError(RedisError::kHelloVersionNotAnInteger);
    }
    if (version < 2 || version > 3) return SayError(RedisError::kNoProto);
    hello.version = static_cast<int>(version);
    hello.options = call.CopyArgs(2);
  }
  // Only Redis knows whether it wants to speak to a stranger; and if it was not reached yet,
  // nothing is known of it.
  const auto only_redis_knows = [&] {
    const bool passes_through = call.context.auth->mode == AuthMode::kPassthrough;
    return (passes_through && !conversation.has_own_credentials()) ||
           call.context.server->version.empty();
  };
  if (ParseVersion(call.context.server->version) >= MakeVersion(7, 2)) {
    if (auto error = VetOptions(&hello)) return SayBytes(*std::move(error));
    if (hello.options.size() < 3) {  // no AUTH
      if (!conversation.authenticated) return SayError(RedisError::kHelloNoAuthSince72);
      if (only_redis_knows()) return AskRedis(std::move(hello));
    }
  }
  if (auto error = RunOptions(call.context.auth, &hello, conversation)) {
    return SayBytes(*std::move(error));
  }
  if (hello.to_check) return AskRedis(std::move(hello));
  if (!conversation.authenticated) return SayError(RedisError::kHelloNoAuth);
  if (only_redis_knows()) return AskRedis(std::move(hello));
  return Switch(hello.version, *call.context.server, conversation);
}

}  // namespace weir
