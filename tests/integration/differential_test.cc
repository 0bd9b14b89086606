// The same random commands go to one Redis directly and to another through weir; all replies must
// be equal, byte for byte. WEIR_TEST_SEED replays a run, WEIR_TEST_COMMANDS makes it longer.
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/command_generator.h"

namespace weir::harness {
namespace {

enum class Manner { kSingly, kPipelined };

class DifferentialTest : public BesideRedis,
                         public ::testing::WithParamInterface<std::tuple<int, Manner>> {
 protected:
  void SetUp() override {
    if (std::get<0>(GetParam()) != 3) return;
    ASSERT_EQ(one_.Command({"HELLO", "3"})[0], '%');
    ASSERT_EQ(two_.Command({"HELLO", "3"})[0], '%');
  }

  static size_t Commands() {
    const char* given = getenv("WEIR_TEST_COMMANDS");
    return given != nullptr ? strtoull(given, nullptr, 10) : 4000;
  }

  // False after a difference: what follows would only repeat it.
  bool Compare(size_t index, const std::vector<std::string>& args) {
    const std::string expected = one_.ReadFrame();
    const std::string got = two_.ReadFrame();
    if (Comparable(args, got) == Comparable(args, expected)) return true;
    ADD_FAILURE() << "command " << index << ": " << Printable(Encode(args)) << "\n  direct       "
                  << Printable(expected) << "\n  through weir " << Printable(got);
    return false;
  }

  // Sends in pieces of random size, so that requests are cut at any byte.
  static void SendInPieces(RawClient* client, const std::string& bytes, Random random) {
    for (size_t sent = 0; sent < bytes.size();) {
      const size_t most = Below(random, 3) == 0 ? 20000 : 100;
      const size_t n = std::min<size_t>(bytes.size() - sent, 1 + Below(random, most));
      ASSERT_TRUE(client->Send(std::string_view(bytes).substr(sent, n)));
      sent += n;
    }
  }

  RawClient one_{direct_.port()};
  RawClient two_{weir_.port()};
};

INSTANTIATE_TEST_SUITE_P(Resp, DifferentialTest,
                         ::testing::Combine(::testing::Values(2, 3),
                                            ::testing::Values(Manner::kSingly,
                                                              Manner::kPipelined)));

TEST_P(DifferentialTest, SameBytes) {
  const uint64_t seed = Seed();
  CommandGenerator generator(seed);
  const Random cuts(seed);
  const bool pipelined = std::get<1>(GetParam()) == Manner::kPipelined;
  for (size_t done = 0; done < Commands();) {
    std::vector<std::vector<std::string>> batch(pipelined ? 1 + generator.Below(200) : 1);
    std::string bytes;
    for (auto& args : batch) {
      args = generator.Next();
      bytes += generator.Encoded(args);
    }
    SendInPieces(&one_, bytes, cuts);
    SendInPieces(&two_, bytes, cuts);
    for (const auto& args : batch) {
      if (!Compare(done++, args)) return;
    }
  }
}

}  // namespace
}  // namespace weir::harness
