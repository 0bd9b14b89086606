// Replays every committed input of the session fuzzer.
#include "tests/proxy/session_fuzz.h"
#include "tests/support/corpus.h"

namespace weir::testing {
namespace {

// What does not hold aborts and says what.
TEST(SessionCorpusTest, EachInputIsAnsweredAsForetold) { ReplayCorpus("session", FuzzSession); }

}  // namespace
}  // namespace weir::testing
