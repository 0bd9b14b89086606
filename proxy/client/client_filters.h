// Which clients CLIENT LIST shows and CLIENT KILL closes.
#ifndef WEIR_PROXY_CLIENT_CLIENT_FILTERS_H_
#define WEIR_PROXY_CLIENT_CLIENT_FILTERS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

struct ClientRow;

// Redis' kinds of clients. Those of weir are normal, pubsub while they subscribe to something, or a
// replica once they have said SYNC.
enum class ClientType : uint8_t { kNormal, kReplica, kPubsub, kMaster };

// "normal", "slave", "replica", "pubsub" or "master", in any case.
std::optional<ClientType> ParseClientType(std::string_view name);

// What all hold at once; a filter that is absent lets everything pass.
struct ClientFilter {
  std::optional<ClientType> type;
  std::optional<uint64_t> id;
  std::optional<std::string> user;
  std::optional<std::string> address;
  std::optional<std::string> local_address;
  std::optional<int64_t> age_min_s;
  std::optional<uint64_t> other_than_id;  // SKIPME

  bool Matches(const ClientRow& row) const;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_CLIENT_FILTERS_H_
