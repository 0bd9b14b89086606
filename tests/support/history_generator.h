// Random histories of several clients: transactions, watched keys, blocking commands, scripts, and
// changes of db, protocol and user in mid-stream, made so that two servers which start alike answer
// alike.
#ifndef WEIR_TESTS_SUPPORT_HISTORY_GENERATOR_H_
#define WEIR_TESTS_SUPPORT_HISTORY_GENERATOR_H_

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/command_generator.h"
#include "tests/support/seed.h"

namespace weir::harness {

// What one client does next. The others do nothing until all that follows from it has happened.
struct Turn {
  enum class Deed {
    kSend,       // `requests`, in one pipeline
    kReconnect,  // closes its connection and makes another
  };
  size_t client = 0;
  Deed deed = Deed::kSend;
  std::vector<std::vector<std::string>> requests;
  // The last of what was sent may wait for ever, and so may what is sent after it.
  bool may_wait = false;
};

// An argument of CLIENT UNBLOCK that stands for the CLIENT ID of a client by its index: "@0".
inline constexpr char kClientIdMark = '@';

// The passwords of the users that histories change to. "reader" may not write.
inline constexpr const char* kHistoryUsers[] = {"writer on >pw ~* &* +@all",
                                                "reader on >pw ~* &* +@all -@write"};

class HistoryGenerator {
 public:
  HistoryGenerator(uint64_t seed, size_t clients, bool pipelined)
      : random_(seed), commands_(seed), pipelined_(pipelined), in_transaction_(clients) {}

  // `waits` tells who is blocked now, in the order of the clients.
  Turn Next(const std::vector<bool>& waits);

 private:
  using Args = std::vector<std::string>;

  uint64_t Below(uint64_t bound) { return harness::Below(random_, bound); }
  std::string Pick(std::string_view words);
  Args Line(std::string_view words);
  Args Shared(size_t client, bool alone);
  Args Own(size_t client);
  Args Blocking(bool* for_ever);
  Args ChangeOfState(bool in_transaction);
  Args Waking();
  Args InTransaction(size_t client);
  void Note(size_t client, const Args& args);

  Random random_;
  CommandGenerator commands_;
  const bool pipelined_;
  std::vector<bool> in_transaction_;
};

// What makes the replies of one client comparable, whatever Redis leaves to chance: also in the
// reply of EXEC, for which it must know what was queued.
class ComparableReplies {
 public:
  // The reply to `args` in a form that is equal for equal behaviour.
  std::string Comparable(const std::vector<std::string>& args, const std::string& reply) const;
  // After it: what the reply has changed.
  void Note(const std::vector<std::string>& args, const std::string& reply);

 private:
  bool in_transaction_ = false;
  std::vector<std::vector<std::string>> queued_;
};

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_HISTORY_GENERATOR_H_
