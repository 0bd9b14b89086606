// The same requests to Redis and through weir, one by one: the same replies.
#ifndef WEIR_TESTS_INTEGRATION_SAME_REPLIES_H_
#define WEIR_TESTS_INTEGRATION_SAME_REPLIES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/support.h"

namespace weir::harness {

using Requests = std::vector<std::vector<std::string>>;

// On a new connection each; every reply is waited for.
inline void ExpectSameOneByOne(uint16_t direct_port, uint16_t through_port,
                               const Requests& requests) {
  RawClient direct(direct_port);
  RawClient through(through_port);
  for (const auto& request : requests) {
    EXPECT_EQ(Printable(through.Command(request)), Printable(direct.Command(request)))
        << request[0];
  }
}

}  // namespace weir::harness

#endif  // WEIR_TESTS_INTEGRATION_SAME_REPLIES_H_
