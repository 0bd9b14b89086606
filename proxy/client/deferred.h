// Commands inside MULTI that only weir can carry out: who the client is, what concerns others, what
// it listens to, and whether it hears answers.
//
// CLIENT ID, INFO, LIST, GETNAME, KILL and UNBLOCK mean clients of weir, of which the node knows
// nothing; subscriptions are shared; CLIENT REPLY is between the client and weir. So the node
// queues something harmless in such a command's place, which needs the same rights; when EXEC has
// run the transaction, weir runs the command and puts its answer where the node's would be. If EXEC
// fails or finds a watched key changed, none of them runs.
//
// As with Redis, what SUBSCRIBE of several channels or CLIENT REPLY OFF does in a transaction makes
// EXEC's array longer or shorter than its header says.
#ifndef WEIR_PROXY_CLIENT_DEFERRED_H_
#define WEIR_PROXY_CLIENT_DEFERRED_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/client/local_commands.h"
#include "routing/command_class.h"

namespace weir {

class Session;
class Subscriptions;
enum class ChannelKind : uint8_t;
struct Request;
struct RequestExtra;

class Deferred {
 public:
  // Of one transaction's such commands. Beyond, they are refused, and with them the transaction.
  static constexpr size_t kBytesMax = size_t{1} << 20;

  // One of the SUBSCRIBE family.
  struct Subscription {
    ChannelKind kind;
    bool subscribes;
    std::vector<std::string> names;
    std::string error;  // set: it has no effect and this reply
  };

  // Such a command, and what the node is to queue in its place.
  struct StandIn {
    std::string bytes;
    LocalCommand local = LocalCommand::kNone;
    std::string wire;  // the command, as RESP
    std::optional<Subscription> subscription;
  };

  // Adds a command. Returns its number, or kNoRoom.
  static constexpr size_t kNoRoom = SIZE_MAX;
  size_t Add(StandIn stand_in);
  // The node has queued its stand-in as the `place`th command of the transaction, from 0 on.
  void SetPlace(size_t number, int64_t place) { commands_[number].place = place; }
  bool empty() const { return commands_.empty(); }

  // What takes the reply to a stand-in, and finds its place by it. The session outlives it.
  static std::function<std::string(Conversation&, std::string_view)> Placer(
      std::shared_ptr<Deferred> deferred, size_t number, Session* session);

  // What the request of EXEC carries so that its reply is made whole. The session outlives it.
  // `silent`: the client hears no answers when EXEC begins.
  static std::unique_ptr<RequestExtra> MakeTask(std::shared_ptr<Deferred> deferred,
                                                Session* session, bool silent);

 private:
  struct Command {
    std::string wire;
    std::optional<Subscription> subscription;
    int64_t place = -1;  // -1: the node did not queue it
    std::string reply;
    LocalOutcome::Gather gather;          // visit null: `reply` is the answer
    bool sets_reply_mode = false;         // CLIENT REPLY
    std::optional<ReplyMode> mode_after;  // what it made of it
  };

  // EXEC was answered. True: the request must wait until its subscriptions have taken effect.
  bool Subscribe(Subscriptions* subscriptions, Request* exec, size_t max,
                 std::string_view exec_reply);
  // After that. True: other workers must be asked.
  bool Run(Session* session, std::string_view exec_reply);
  void RunOne(Session* session, uint64_t queued, std::string_view element, Command* command);
  void Visit(ClientTable& clients, std::string* out) const;
  std::string Combine(Conversation& conversation, const std::vector<std::string>& parts);
  std::string Reply() const;

  std::vector<Command> commands_;
  size_t bytes_ = 0;
  bool silent_ = false;
  std::string exec_reply_;  // empty: it was not an array, so nothing has run
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_DEFERRED_H_
