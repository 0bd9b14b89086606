// Replication lag in time, from offsets in bytes and when they were asked for.
#include "routing/replica_lag.h"

#include <gtest/gtest.h>

#include <string>

namespace weir {
namespace {

// As redis-server 7.0.15 says it.
constexpr char kPrimary[] =
    "# Replication\r\nrole:master\r\nconnected_slaves:1\r\n"
    "slave0:ip=127.0.0.1,port=7002,state=online,offset=1400,lag=0\r\n"
    "master_failover_state:no-failover\r\n"
    "master_replid:8f5d9f5b2b5f4a3f0c8d5e6a7b8c9d0e1f2a3b4c\r\n"
    "master_replid2:0000000000000000000000000000000000000000\r\nmaster_repl_offset:1428\r\n"
    "second_repl_offset:-1\r\nrepl_backlog_active:1\r\n";
constexpr char kReplica[] =
    "# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:7001\r\n"
    "master_link_status:up\r\nmaster_last_io_seconds_ago:3\r\nmaster_sync_in_progress:0\r\n"
    "slave_read_repl_offset:1414\r\nslave_repl_offset:1400\r\nslave_priority:100\r\n"
    "slave_read_only:1\r\nreplica_announced:1\r\nconnected_slaves:0\r\n"
    "master_failover_state:no-failover\r\n"
    "master_replid:8f5d9f5b2b5f4a3f0c8d5e6a7b8c9d0e1f2a3b4c\r\n"
    "master_replid2:0000000000000000000000000000000000000000\r\nmaster_repl_offset:1414\r\n";

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(StreamPositionTest, OfAPrimary) {
  const auto position = ParseStreamPosition(kPrimary);
  ASSERT_TRUE(position.has_value());
  EXPECT_TRUE(position->is_primary);
  EXPECT_TRUE(position->link_up);
  EXPECT_EQ(position->stream_id, "8f5d9f5b2b5f4a3f0c8d5e6a7b8c9d0e1f2a3b4c");
  EXPECT_EQ(position->offset_bytes, 1428);
}

TEST(StreamPositionTest, OfAReplicaIsWhatItHasApplied) {
  const auto position = ParseStreamPosition(kReplica);
  ASSERT_TRUE(position.has_value());
  EXPECT_FALSE(position->is_primary);
  EXPECT_TRUE(position->link_up);
  EXPECT_EQ(position->offset_bytes, 1400) << "neither what it has read";
  EXPECT_FALSE(ParseStreamPosition(Replaced(kReplica, "status:up", "status:down"))->link_up);
}

TEST(StreamPositionTest, NothingLessWillDo) {
  EXPECT_FALSE(ParseStreamPosition("").has_value());
  EXPECT_FALSE(ParseStreamPosition("# Replication\r\nrole:master\r\n").has_value());
  for (const char* line : {"role:slave", "slave_repl_offset:1400", "master_replid:"}) {
    EXPECT_FALSE(ParseStreamPosition(Replaced(kReplica, line, "x:")).has_value()) << line;
  }
  for (const char* offset : {"", "-1", "12x", "99999999999999999999"}) {
    EXPECT_FALSE(
        ParseStreamPosition(Replaced(kPrimary, "offset:1428", std::string("offset:") + offset))
            .has_value())
        << offset;
  }
}

StreamPosition Primary(int64_t offset, const std::string& id = "a") {
  return {.is_primary = true, .stream_id = id, .offset_bytes = offset};
}
StreamPosition Replica(int64_t offset, const std::string& id = "a", bool up = true) {
  return {.link_up = up, .stream_id = id, .offset_bytes = offset};
}

TEST(StreamHistoryTest, AReplicaIsFreshAsOfWhatItHasReached) {
  StreamHistory history;
  EXPECT_EQ(history.FreshAsOf(Replica(0)), 0U) << "the primary was not heard yet";
  history.Add(1000, Primary(10));
  history.Add(1100, Primary(20));
  history.Add(1200, Primary(30));
  EXPECT_EQ(history.FreshAsOf(Replica(9)), 0U);
  EXPECT_EQ(history.FreshAsOf(Replica(10)), 1000U);
  EXPECT_EQ(history.FreshAsOf(Replica(19)), 1000U);
  EXPECT_EQ(history.FreshAsOf(Replica(20)), 1100U);
  EXPECT_EQ(history.FreshAsOf(Replica(30)), 1200U);
  EXPECT_EQ(history.FreshAsOf(Replica(1000)), 1200U) << "it may know more than weir";
}

// While nobody writes, nobody is behind.
TEST(StreamHistoryTest, AnIdlePrimaryKeepsItsReplicasFresh) {
  StreamHistory history;
  for (uint64_t ms = 1000; ms <= 100000; ms += 100) history.Add(ms, Primary(10));
  EXPECT_EQ(history.FreshAsOf(Replica(10)), 100000U);
  history.Add(100100, Primary(11));
  EXPECT_EQ(history.FreshAsOf(Replica(10)), 100000U) << "until then it had everything";
}

TEST(StreamHistoryTest, WhatCannotBeComparedIsNotFresh) {
  StreamHistory history;
  history.Add(1000, Primary(10));
  EXPECT_EQ(history.FreshAsOf(Replica(10, "b")), 0U);
  EXPECT_EQ(history.FreshAsOf(Replica(10, "a", /*up=*/false)), 0U);
  EXPECT_EQ(history.FreshAsOf(Primary(10)), 0U);
  // Restarted empty: the replica's large offset means nothing there.
  history.Add(1100, Primary(1, "b"));
  EXPECT_EQ(history.FreshAsOf(Replica(10)), 0U);
  EXPECT_EQ(history.FreshAsOf(Replica(1, "b")), 1100U);
  history.Add(1200, Replica(1, "b"));
  EXPECT_EQ(history.FreshAsOf(Replica(1, "b")), 0U) << "it is no primary any more";
}

TEST(StreamHistoryTest, IsBounded) {
  StreamHistory history;
  const auto answers = static_cast<int64_t>(StreamHistory::kAnswersMax);
  for (int64_t i = 0; i <= answers; ++i) history.Add(1000 + static_cast<uint64_t>(i), Primary(i));
  EXPECT_EQ(history.FreshAsOf(Replica(0)), 0U) << "forgotten";
  EXPECT_EQ(history.FreshAsOf(Replica(1)), 1001U);
}

TEST(LagIntervalTest, IsAQuarterOfTheBoundWithinLimits) {
  EXPECT_EQ(LagIntervalMs(1), 10U);
  EXPECT_EQ(LagIntervalMs(400), 100U);
  EXPECT_EQ(LagIntervalMs(3'600'000), 1000U);
}

}  // namespace
}  // namespace weir
