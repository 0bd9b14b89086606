// INFO of several nodes as that of one: what counts is added up, what states is kept.
#include "routing/info_merge.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir {
namespace {

std::string Merge(std::string_view a, std::string_view b) { return MergeInfo({{a, b}}); }

TEST(InfoMergeTest, OneIsItself) {
  const std::string_view text = "# Stats\r\ntotal_forks:1\r\nodd\r\n";
  EXPECT_EQ(MergeInfo({{text}}), text);
}

TEST(InfoMergeTest, EachSectionGoesByItsRule) {
  EXPECT_EQ(Merge("# Server\r\nuptime_in_seconds:5\r\n\r\n# Clients\r\nconnected_clients:3\r\n"
                  "maxclients:100\r\nblocked_clients:1\r\nnew_in_8:2\r\n",
                  "# Server\r\nuptime_in_seconds:9\r\n\r\n# Clients\r\nconnected_clients:4\r\n"
                  "maxclients:100\r\nblocked_clients:2\r\nnew_in_8:2\r\n"),
            "# Server\r\nuptime_in_seconds:5\r\n\r\n# Clients\r\nconnected_clients:7\r\n"
            "maxclients:100\r\nblocked_clients:3\r\nnew_in_8:4\r\n");
  EXPECT_EQ(Merge("# Persistence\r\nloading:0\r\nrdb_changes_since_last_save:5\r\n"
                  "rdb_last_save_time:700\r\nrdb_last_bgsave_status:ok\r\n",
                  "# Persistence\r\nloading:1\r\nrdb_changes_since_last_save:6\r\n"
                  "rdb_last_save_time:600\r\nrdb_last_bgsave_status:err\r\n"),
            "# Persistence\r\nloading:1\r\nrdb_changes_since_last_save:11\r\n"
            "rdb_last_save_time:600\r\nrdb_last_bgsave_status:err\r\n");
  EXPECT_EQ(Merge("# CPU\r\nused_cpu_sys:1.500000\r\n", "# CPU\r\nused_cpu_sys:0.250001\r\n"),
            "# CPU\r\nused_cpu_sys:1.750001\r\n");
}

TEST(InfoMergeTest, WhatFollowsFromSumsIsMadeAnew) {
  EXPECT_EQ(Merge("# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n"
                  "used_memory_rss:2097152\r\nmem_fragmentation_ratio:2.00\r\n"
                  "total_system_memory:100\r\ntotal_system_memory_human:100B\r\n",
                  "# Memory\r\nused_memory:524288\r\nused_memory_human:512.00K\r\n"
                  "used_memory_rss:1048576\r\nmem_fragmentation_ratio:2.00\r\n"
                  "total_system_memory:100\r\ntotal_system_memory_human:100B\r\n"),
            "# Memory\r\nused_memory:1572864\r\nused_memory_human:1.50M\r\n"
            "used_memory_rss:3145728\r\nmem_fragmentation_ratio:2.00\r\n"
            "total_system_memory:100\r\ntotal_system_memory_human:100B\r\n");
}

TEST(InfoMergeTest, CommandsAndErrorsThatOnlyOthersHaveAreThere) {
  EXPECT_EQ(
      Merge(
          "# Commandstats\r\ncmdstat_get:calls=2,usec=10,usec_per_call=5.00,failed_calls=0\r\n\r\n"
          "# Errorstats\r\n\r\n# Cluster\r\ncluster_enabled:1\r\n",
          "# Commandstats\r\ncmdstat_get:calls=2,usec=30,usec_per_call=15.00,failed_calls=1\r\n"
          "cmdstat_set:calls=1,usec=4,usec_per_call=4.00,failed_calls=0\r\n\r\n"
          "# Errorstats\r\nerrorstat_ERR:count=3\r\n\r\n# Cluster\r\ncluster_enabled:1\r\n"),
      "# Commandstats\r\ncmdstat_get:calls=4,usec=40,usec_per_call=10.00,failed_calls=1\r\n"
      "cmdstat_set:calls=1,usec=4,usec_per_call=4.00,failed_calls=0\r\n\r\n"
      "# Errorstats\r\nerrorstat_ERR:count=3\r\n\r\n# Cluster\r\ncluster_enabled:1\r\n");
}

// Redis takes what the server had at its start off both sides of this one: weir divided by all that
// is used, and a cluster's nearly empty nodes seemed to hold little but data.
TEST(InfoMergeTest, TheShareOfTheDatasetIsOfWhatCameSinceTheStart) {
  EXPECT_EQ(Merge("# Memory\r\nused_memory:1000\r\nused_memory_startup:800\r\n"
                  "used_memory_dataset:50\r\nused_memory_dataset_perc:25.00%\r\n",
                  "# Memory\r\nused_memory:1100\r\nused_memory_startup:800\r\n"
                  "used_memory_dataset:150\r\nused_memory_dataset_perc:50.00%\r\n"),
            "# Memory\r\nused_memory:2100\r\nused_memory_startup:1600\r\n"
            "used_memory_dataset:200\r\nused_memory_dataset_perc:40.00%\r\n");
  // All of it was there at the start.
  EXPECT_EQ(Merge("# Memory\r\nused_memory:1\r\nused_memory_startup:1\r\n"
                  "used_memory_dataset:0\r\nused_memory_dataset_perc:0.00%\r\n",
                  "# Memory\r\nused_memory:1\r\nused_memory_startup:1\r\n"
                  "used_memory_dataset:0\r\nused_memory_dataset_perc:0.00%\r\n"),
            "# Memory\r\nused_memory:2\r\nused_memory_startup:2\r\n"
            "used_memory_dataset:0\r\nused_memory_dataset_perc:0.00%\r\n");
}

// The names of errors are clients': return redis.error_reply('Xa_human hi'). One that only the
// second node had met looked like a size for people, was looked up in the first node's fields, and
// ended the process.
TEST(InfoMergeTest, AnErrorThatIsCalledLikeASizeIsCounted) {
  EXPECT_EQ(Merge("# Errorstats\r\nerrorstat_Xb_human:count=1\r\n",
                  "# Errorstats\r\nerrorstat_Xa_human:count=2\r\nerrorstat_Xb_human:count=4\r\n"),
            "# Errorstats\r\nerrorstat_Xb_human:count=5\r\nerrorstat_Xa_human:count=2\r\n");
  EXPECT_EQ(Merge("# Commandstats\r\n", "# Commandstats\r\ncmdstat_m.x_human:calls=1\r\n"),
            "# Commandstats\r\ncmdstat_m.x_human:calls=1\r\n");
}

TEST(InfoMergeTest, KeysAreThoseOfAll) {
  EXPECT_EQ(Merge("# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n",
                  "# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=80\r\n"),
            "# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=80\r\n");
}

TEST(InfoMergeTest, WhatIsNoNumberOrTooLargeStaysTheFirst) {
  EXPECT_EQ(Merge("# Stats\r\na:1\r\nb:x\r\nc:\r\nd:1.5\r\ne:999999999999999999999\r\n",
                  "# Stats\r\na:y\r\nb:2\r\nc:1\r\nd:1.25\r\ne:1\r\n"),
            "# Stats\r\na:1\r\nb:x\r\nc:\r\nd:1.5\r\ne:999999999999999999999\r\n");
  const std::string_view large = "# Stats\r\na:900000000000000000\r\n";
  std::string_view many[20];
  for (std::string_view& text : many) text = large;
  EXPECT_EQ(MergeInfo(many), large);
}

}  // namespace
}  // namespace weir
