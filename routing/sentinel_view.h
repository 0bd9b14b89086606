// SentinelView: what a sentinel says of one primary, its replicas and the other sentinels.
//
// SENTINEL MASTER, SENTINEL REPLICAS and SENTINEL SENTINELS answer with flat lists of names and
// values. Of several sentinels the one with the highest config-epoch is believed: each failover has
// a greater one, and a sentinel that was cut off meanwhile has the old. What it names must then
// confirm with ROLE that it is the primary. https://redis.io/docs/manual/sentinel
#ifndef WEIR_ROUTING_SENTINEL_VIEW_H_
#define WEIR_ROUTING_SENTINEL_VIEW_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "resp/reply_tree.h"
#include "routing/address_map.h"
#include "routing/topology.h"

namespace weir {

// What a sentinel may name; beyond it, it is not believed.
inline constexpr size_t kSentinelNodesMax = 1024;

struct SentinelView {
  HostPort primary{};
  bool primary_down = false;  // it is objectively down: a failover is to be expected
  uint64_t epoch = 0;         // config-epoch
  std::vector<Node> replicas{};
  std::vector<HostPort> sentinels{};  // the others
};

// Each reads one reply into the view. INVALID_ARGUMENT says what was not as expected. `map`, which
// may be null, is applied to what is said of data nodes, not to sentinels.
absl::Status ReadSentinelMaster(const Reply& reply, const AddressMap* map, SentinelView* view);
// Of SENTINEL GET-MASTER-ADDR-BY-NAME: during a failover already the promoted replica, of which
// SENTINEL MASTER only tells once it is over. Read after that.
absl::Status ReadSentinelAddress(const Reply& reply, const AddressMap* map, SentinelView* view);
absl::Status ReadSentinelReplicas(const Reply& reply, const AddressMap* map, SentinelView* view);
absl::Status ReadSentinelSentinels(const Reply& reply, SentinelView* view);

// The view to believe; null if there is none. `known_epoch`: an older one is no news.
const SentinelView* BelieveSentinel(absl::Span<const SentinelView> views, uint64_t known_epoch);

// The primary first, replicas that copy it, and their health.
std::vector<Node> NodesOf(const SentinelView& view);

// What a sentinel publishes on +switch-master: "mymaster 10.0.0.1 6379 10.0.0.2 6379". The new
// address if it concerns `name`.
std::optional<HostPort> ParseSwitchMaster(std::string_view message, std::string_view name);
// Whether a message on +sdown, +odown, +slave, +reboot and the like concerns the primary of this
// name or one of its replicas: "slave 10.0.0.3:6379 10.0.0.3 6379 @ mymaster 10.0.0.1 6379".
bool ConcernsPrimary(std::string_view message, std::string_view name);

}  // namespace weir

#endif  // WEIR_ROUTING_SENTINEL_VIEW_H_
