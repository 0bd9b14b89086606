#include "proxy/client/client_filters.h"

#include "proxy/client/local_commands.h"
#include "routing/text.h"

namespace weir {

std::optional<ClientType> ParseClientType(std::string_view name) {
  if (IsKeyword(name, "normal")) return ClientType::kNormal;
  if (IsKeyword(name, "slave") || IsKeyword(name, "replica")) return ClientType::kReplica;
  if (IsKeyword(name, "pubsub")) return ClientType::kPubsub;
  if (IsKeyword(name, "master")) return ClientType::kMaster;
  return std::nullopt;
}

bool ClientFilter::Matches(const ClientRow& row) const {
  const ClientType its_type = row.replica        ? ClientType::kReplica
                              : row.subscribed() ? ClientType::kPubsub
                                                 : ClientType::kNormal;
  return (!type || *type == its_type) && (!id || *id == row.id) && (!user || *user == row.user) &&
         (!address || *address == row.address) &&
         (!local_address || *local_address == row.local_address) &&
         (!age_min_s || row.age_s >= *age_min_s) && (!other_than_id || *other_than_id != row.id);
}

}  // namespace weir
