// Replays every committed input of the fuzzers of routing/.
#include "tests/support/corpus.h"

#include "tests/routing/cluster_fuzz_targets.h"
#include "tests/routing/fuzz_targets.h"

namespace weir::testing {
namespace {

TEST(CorpusTest, CommandTable) { ReplayCorpus("command_table", FuzzCommandTable); }
TEST(CorpusTest, ClusterView) { ReplayCorpus("cluster_view", FuzzClusterView); }
TEST(CorpusTest, Merge) { ReplayCorpus("merge", FuzzMerge); }
TEST(CorpusTest, Redirect) { ReplayCorpus("redirect", FuzzRedirect); }
TEST(CorpusTest, UpstreamUrl) { ReplayCorpus("upstream_url", FuzzUpstreamUrl); }

}  // namespace
}  // namespace weir::testing
