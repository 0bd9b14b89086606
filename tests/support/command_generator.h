// Random commands over everything that may share a connection, made so that two servers which start
// alike answer alike; and what makes their replies comparable where order or time is free.
#ifndef WEIR_TESTS_SUPPORT_COMMAND_GENERATOR_H_
#define WEIR_TESTS_SUPPORT_COMMAND_GENERATOR_H_

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/seed.h"

namespace weir::harness {

class CommandGenerator {
 public:
  explicit CommandGenerator(uint64_t seed) : random_(seed) {}

  // The next command. Keys come from a small set, so types clash and values grow; some commands
  // have arguments too many or too few, or are none.
  std::vector<std::string> Next();

  // The request's bytes: an array of bulk strings, or now and then an inline request.
  std::string Encoded(const std::vector<std::string>& args);

  uint64_t Below(uint64_t bound) { return harness::Below(random_, bound); }

 private:
  using Args = std::vector<std::string>;

  std::string Expand(std::string_view placeholder);
  std::string Key();
  std::string Value();
  std::string Number();
  std::string Score();
  std::string Choice(std::string_view words);
  void Spoil(Args* args);

  Random random_;
};

// The reply to `args` with what may differ between two servers made equal: elements of sets and
// hashes sorted, remaining times, cursors and the client's number replaced.
std::string Comparable(const std::vector<std::string>& args, const std::string& reply);

// Splits a frame that is an aggregate into its header and the frames of its elements. False: it is
// none.
bool SplitAggregate(const std::string& frame, std::string* header,
                    std::vector<std::string>* elements);

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_COMMAND_GENERATOR_H_
