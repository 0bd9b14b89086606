#include "routing/command_spec.h"

#include <algorithm>
#include <array>

#include "routing/text.h"

namespace weir {
namespace {

constexpr std::array<std::string_view, kCommandFlagCount> kCommandFlagNames = {"write",
                                                                               "readonly",
                                                                               "denyoom",
                                                                               "module",
                                                                               "admin",
                                                                               "pubsub",
                                                                               "noscript",
                                                                               "blocking",
                                                                               "loading",
                                                                               "stale",
                                                                               "skip_monitor",
                                                                               "skip_slowlog",
                                                                               "asking",
                                                                               "fast",
                                                                               "no_auth",
                                                                               "may_replicate",
                                                                               "no_mandatory_keys",
                                                                               "no_async_loading",
                                                                               "no_multi",
                                                                               "movablekeys",
                                                                               "allow_busy",
                                                                               "random",
                                                                               "sort_for_script"};

constexpr std::array<std::string_view, kKeyFlagCount> kKeyFlagNames = {
    "RO",     "RW",     "OW",      "RM",         "access",        "update",
    "insert", "delete", "not_key", "incomplete", "variable_flags"};

constexpr std::array<std::string_view, kAclCategoryCount> kAclCategoryNames = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

constexpr std::array<std::string_view, kRequestPolicyCount> kRequestPolicyNames = {
    "", "all_nodes", "all_shards", "multi_shard", "special"};
constexpr std::array<std::string_view, kResponsePolicyCount> kResponsePolicyNames = {
    "",        "one_succeeded", "all_succeeded", "agg_logical_and", "agg_logical_or",
    "agg_min", "agg_max",       "agg_sum",       "special"};

}  // namespace

std::string_view CommandFlagName(CommandFlag flag) {
  return kCommandFlagNames[static_cast<size_t>(flag)];
}
std::string_view KeyFlagName(KeyFlag flag) { return kKeyFlagNames[static_cast<size_t>(flag)]; }
std::string_view AclCategoryName(AclCategory category) {
  return kAclCategoryNames[static_cast<size_t>(category)];
}
std::string_view RequestPolicyName(RequestPolicy policy) {
  return kRequestPolicyNames[static_cast<size_t>(policy)];
}
std::string_view ResponsePolicyName(ResponsePolicy policy) {
  return kResponsePolicyNames[static_cast<size_t>(policy)];
}

bool CommandSpec::InCategory(std::string_view category) const {
  for (int i = 0; i < kAclCategoryCount; ++i) {
    if (EqualsIgnoreCase(kAclCategoryNames[i], category)) {
      return categories.Has(static_cast<AclCategory>(i));
    }
  }
  return std::any_of(other_categories.begin(), other_categories.end(),
                     [&](const std::string& other) { return EqualsIgnoreCase(other, category); });
}

}  // namespace weir
