// The link breaks at every single byte of an exchange, in both directions, with FIN and with RST.
#include <string>
#include <tuple>

#include "tests/faults/fault_fixture.h"

namespace weir::harness {
namespace {

class CutTest : public FaultTest,
                public ::testing::WithParamInterface<std::tuple<int, Direction, Breakage>> {};

INSTANTIATE_TEST_SUITE_P(Resp, CutTest,
                         ::testing::Combine(::testing::Values(2, 3),
                                            ::testing::Values(Direction::kToServer,
                                                              Direction::kToClient),
                                            ::testing::Values(Breakage::kClose, Breakage::kReset)));

TEST_P(CutTest, AtEachByteOfAnExchange) {
  const auto [protocol_version, direction, how] = GetParam();
  RawClient client(weir_.port());
  if (protocol_version == 3) {
    ASSERT_EQ(client.Command({"HELLO", "3"})[0], '%');
  }
  ExpectExact(&client);
  const size_t before = saboteur_.bytes(direction);
  Exchange(&client);
  const size_t exchange_bytes = saboteur_.bytes(direction) - before;
  ASSERT_GT(exchange_bytes, 20u);
  for (size_t n = 1; n <= exchange_bytes; ++n) {
    ExpectExact(&client);
    saboteur_.CutAfter(direction, n, how);
    Exchange(&client);
    EXPECT_TRUE(saboteur_.cut_done()) << n;
    if (HasFailure()) {
      ADD_FAILURE() << "cut after byte " << n;
      return;
    }
  }
  saboteur_.CutAfter(direction, Saboteur::kNever);
  ExpectExact(&client);
}

// The connection breaks during its first words, again and again.
TEST_P(CutTest, AtEachByteOfTheHandshake) {
  const auto [protocol_version, direction, how] = GetParam();
  RawClient client(weir_.port());
  if (protocol_version == 3) {
    ASSERT_EQ(client.Command({"HELLO", "3"})[0], '%');
  }
  ASSERT_EQ(client.Command({"SELECT", "3"}), "+OK\r\n");
  RawClient direct(redis_.port());
  direct.Text({"SELECT", "3"});
  direct.Text({"SET", "fixed", kFixed});
  ExpectExact(&client);
  for (size_t n = 1; n < 120; ++n) {
    saboteur_.Break(how);
    saboteur_.CutAfter(direction, n, how);
    ASSERT_EQ(client.Command({"GET", "fixed"}), Bulk(kFixed)) << "cut after byte " << n;
  }
  saboteur_.CutAfter(direction, Saboteur::kNever);
  ExpectExact(&client);
}

}  // namespace
}  // namespace weir::harness
