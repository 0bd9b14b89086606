// Replays every committed input of the fuzzers of resp/.
#include "tests/support/corpus.h"

#include "tests/resp/fuzz_targets.h"

namespace weir::testing {
namespace {

TEST(CorpusTest, FrameScanner) { ReplayCorpus("frame_scanner", FuzzFrameScanner); }
TEST(CorpusTest, RequestParser) { ReplayCorpus("request_parser", FuzzRequestParser); }
TEST(CorpusTest, ReplyTree) { ReplayCorpus("reply_tree", FuzzReplyTree); }
TEST(CorpusTest, TheCanaryIsHarmlessInItsSeeds) { ReplayCorpus("canary", FuzzCanary); }

}  // namespace
}  // namespace weir::testing
