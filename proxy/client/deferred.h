// Commands inside MULTI that only weir can answer: who the client is, and what concerns others.
//
// CLIENT ID, INFO, LIST, GETNAME, KILL and UNBLOCK mean clients of weir, of which the node knows
// nothing. So the node queues something harmless in such a command's place, which needs the same
// rights; when EXEC has run the transaction, weir runs the command and puts its answer where the
// node's would be. If EXEC fails or finds a watched key changed, none of them runs.
#ifndef WEIR_PROXY_CLIENT_DEFERRED_H_
#define WEIR_PROXY_CLIENT_DEFERRED_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/client/local_commands.h"

namespace weir {

class Session;
struct RequestExtra;

class Deferred {
 public:
  // Of one transaction's such commands. Beyond, they are refused, and with them the transaction.
  static constexpr size_t kBytesMax = size_t{1} << 20;

  // Adds a command, as RESP. Returns its number, or kNoRoom.
  static constexpr size_t kNoRoom = SIZE_MAX;
  size_t Add(std::string_view wire);
  // The node has queued its stand-in as the `place`th command of the transaction, from 0 on.
  void SetPlace(size_t number, int64_t place) { commands_[number].place = place; }
  bool empty() const { return commands_.empty(); }

  // What the request of EXEC carries so that its reply is made whole. The session outlives it.
  static std::unique_ptr<RequestExtra> MakeTask(std::shared_ptr<Deferred> deferred,
                                                Session* session);

 private:
  struct Command {
    std::string wire;
    int64_t place = -1;  // -1: the node did not queue it
    std::string reply;
    LocalOutcome::Gather gather;  // visit null: `reply` is the answer
  };

  // EXEC was answered. True: other workers must be asked.
  bool Run(Session* session, std::string_view exec_reply);
  void Visit(ClientTable& clients, std::string* out) const;
  std::string Combine(Conversation& conversation, const std::vector<std::string>& parts);
  std::string Reply() const;

  std::vector<Command> commands_;
  size_t bytes_ = 0;
  std::string exec_reply_;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_DEFERRED_H_
