// What Redis keeps per connection, kept by weir for each of its clients: a plain value without I/O.
#ifndef WEIR_PROXY_CLIENT_CONVERSATION_H_
#define WEIR_PROXY_CLIENT_CONVERSATION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace weir {

// CLIENT REPLY: whether the client wants to hear answers. kSkipNext: not that of the next request.
enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext };

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

  // The names, made on first use.
  ConversationNames& Names() {
    if (!names) names = std::make_unique<ConversationNames>();
    return *names;
  }
  const std::string& name() const { return names ? names->name : Empty(); }
  // What counts against client_names_bytes_max.
  size_t NameBytes() const {
    return names ? names->name.size() + names->lib_name.size() + names->lib_version.size() : 0;
  }
  const std::string& user() const {
    static const std::string kDefault = "default";
    return names && !names->user.empty() ? names->user : kDefault;
  }
  // Passthrough only: whether Redis knows who it is.
  bool has_own_credentials() const {
    return names && !(names->upstream_user.empty() && names->upstream_password.empty());
  }
  void SetName(std::string_view name) {  // empty: takes the name away
    if (names || !name.empty()) Names().name = name;
  }
  // It has proved to be this user.
  void Become(std::string_view user) {
    authenticated = true;
    if (user != "default") {
      Names().user = user;
    } else if (names) {
      names->user.clear();
    }
  }
  // The same with passthrough authentication: its links get its credentials. The user is empty if
  // only a password was given.
  void Become(std::string_view upstream_user, std::string_view upstream_password) {
    Become(upstream_user.empty() ? "default" : upstream_user);
    Names().upstream_user = upstream_user;
    Names().upstream_password = upstream_password;
  }

 private:
  static const std::string& Empty() {
    static const std::string kEmpty;
    return kEmpty;
  }
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_CONVERSATION_H_
