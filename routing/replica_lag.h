// How far a replica is behind its primary, in time.
//
// Redis counts the bytes of the replication stream, not time: a primary says how many it has
// written, a replica how many of them it has applied, and both by what id this stream is known
// (INFO replication). So the primary is asked again and again, and of each answer is kept when it
// was asked for. A replica that has applied as many bytes as the primary had written by its answer,
// has all that the primary had when that was asked: then it is fresh as of that time, and its lag
// is what has passed since. This bound is never too low, whatever the network delays, because the
// primary's offset only grows. It is too high by up to the time between two questions and a round
// trip to each of the two.
//
// What cannot be compared is not fresh at all: a stream by another id (the primary is another one,
// or was restarted), a replica whose link to its primary is down, a node that is no replica.
#ifndef WEIR_ROUTING_REPLICA_LAG_H_
#define WEIR_ROUTING_REPLICA_LAG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

// Where a node is in a replication stream. https://redis.io/commands/info (replication)
struct StreamPosition {
  bool is_primary = false;
  bool link_up = true;       // of a replica, to its primary
  std::string stream_id;     // master_replid
  int64_t offset_bytes = 0;  // written by a primary, applied by a replica
};
// From the text of INFO replication, without RESP around it. Nothing: it lacks one of the lines, as
// that of Redis before 4.0.
std::optional<StreamPosition> ParseStreamPosition(std::string_view info);

// What one primary has said of its stream of late. Times are on any one clock, in milliseconds.
class StreamHistory {
 public:
  static constexpr size_t kAnswersMax = 64;  // then the oldest is forgotten

  // An answer, and when it was asked for. REQUIRES: asked_ms is not before that of the last one.
  void Add(uint64_t asked_ms, const StreamPosition& primary);
  // The latest time as of which this replica is fresh; 0: not known, or longer ago than the history
  // goes back.
  uint64_t FreshAsOf(const StreamPosition& replica) const;

 private:
  struct Answer {
    uint64_t asked_ms;
    int64_t offset_bytes;
  };
  std::string stream_id_;
  std::deque<Answer> answers_;  // offsets ascend, too
};

// The time between two questions, for a bound on the lag.
inline constexpr uint64_t kLagIntervalMinMs = 10;
inline constexpr uint64_t kLagIntervalMaxMs = 1000;
uint64_t LagIntervalMs(uint64_t max_lag_ms);

}  // namespace weir

#endif  // WEIR_ROUTING_REPLICA_LAG_H_
