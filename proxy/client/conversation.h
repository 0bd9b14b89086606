// What Redis keeps per connection, kept by weir for each of its clients: a plain value without I/O.
#ifndef WEIR_PROXY_CLIENT_CONVERSATION_H_
#define WEIR_PROXY_CLIENT_CONVERSATION_H_

#include <cstdint>
#include <memory>
#include <string>

namespace weir {

// CLIENT REPLY: whether the client wants to hear answers. SKIP concerns the next request, whatever
// it is, so it takes two steps: said (kSkipNext), then in force for one request (kSkipThis).
enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkipThis };

// The rarely set part, so that an idle connection stays small. Absent means all defaults.
struct ConversationNames {
  std::string name;         // CLIENT SETNAME
  std::string lib_name;     // CLIENT SETINFO LIB-NAME
  std::string lib_version;  // CLIENT SETINFO LIB-VER
  std::string user;         // who the client authenticated as; empty means "default"
  // Passthrough only: the credentials of the client's links. Both empty: those of the
  // configuration; only the user empty: a password alone was given, as `AUTH password` does.
  std::string upstream_user;
  std::string upstream_password;
  bool no_evict = false;
  bool no_touch = false;
};

struct Conversation {
  uint64_t id = 0;  // CLIENT ID: unique and growing over all workers
  int32_t db = 0;
  uint8_t protocol_version = 2;  // 2 or 3: of replies that are made from now on
  ReplyMode reply_mode = ReplyMode::kOn;
  // False: only commands flagged no_auth are answered. Starts as !AuthRequired(), authenticator.h.
  bool authenticated = true;
  std::unique_ptr<ConversationNames> names;

  // To be called before each request, also one that is answered with an error.
  void BeginRequest() {
    if (reply_mode == ReplyMode::kSkipThis) reply_mode = ReplyMode::kOn;
    if (reply_mode == ReplyMode::kSkipNext) reply_mode = ReplyMode::kSkipThis;
  }
  // Whether the request's reply is said; for a request that weir answers, asked after it ran (as
  // CLIENT REPLY and RESET change it). What is sent upstream keeps the answer it got when it was
  // sent.
  bool hears() const { return reply_mode == ReplyMode::kOn; }

  // The names, made on first use.
  ConversationNames& Names() {
    if (!names) names = std::make_unique<ConversationNames>();
    return *names;
  }
  const std::string& name() const { return names ? names->name : Empty(); }
  const std::string& user() const {
    static const std::string kDefault = "default";
    return names && !names->user.empty() ? names->user : kDefault;
  }

 private:
  static const std::string& Empty() {
    static const std::string kEmpty;
    return kEmpty;
  }
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_CONVERSATION_H_
