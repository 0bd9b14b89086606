// What Redis keeps per connection, kept by weir for each of its clients: a plain value without I/O.
#ifndef WEIR_PROXY_CLIENT_CONVERSATION_H_
#define WEIR_PROXY_CLIENT_CONVERSATION_H_

#include <cstdint>
#include <memory>
#include <string>

namespace weir {

struct CommandSpec;

// CLIENT REPLY: whether the client wants to hear answers.
enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext };

// The rarely set part, so that an idle connection stays small. Absent means all defaults.
struct ConversationNames {
  std::string name;              // CLIENT SETNAME
  std::string lib_name;          // CLIENT SETINFO LIB-NAME
  std::string lib_version;       // CLIENT SETINFO LIB-VER
  std::string user;              // who the client authenticated as; empty means "default"
  std::string upstream_user;     // passthrough only: the credentials of the client's links;
  std::string upstream_password;  //   both empty means those of the configuration
  bool no_evict = false;
  bool no_touch = false;
};

struct Conversation {
  uint64_t id = 0;               // CLIENT ID: unique and growing over all workers
  int32_t db = 0;
  uint8_t protocol_version = 2;  // 2 or 3
  ReplyMode reply_mode = ReplyMode::kOn;
  bool authenticated = true;     // false: only commands flagged no_auth are answered
  std::unique_ptr<ConversationNames> names;

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
