#include "routing/command_policy.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "routing/command_table.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr std::string_view kChangesCluster = "it would change the cluster under every client";
constexpr std::string_view kBecomesReplica =
    "it turns the connection, which clients share, into a replica's";
constexpr std::string_view kRunsCode = "it would change which code runs in the server";
constexpr std::string_view kReplacesData =
    "it would replace the server's data by another server's, for every client";
constexpr std::string_view kChangesUsers = "it would change what other clients may do";
constexpr std::string_view kStalls = "it stalls the server for every client";
constexpr std::string_view kForks = "it makes the server fork, at a cost to every client";

// What one client should not be able to do to all others just because it can reach weir. What only
// touches data (FLUSHALL, SWAPDB), only reads (KEYS, CONFIG GET) or ends a client's own runaway
// script (SCRIPT KILL, FUNCTION KILL) is not here: Redis' own ACLs are the place to say who may.
constexpr DefaultDenial kDefaultDenials[] = {
    {"acl|deluser", kChangesUsers},
    {"acl|load", kChangesUsers},
    {"acl|save", "it would overwrite the server's ACL file"},
    {"acl|setuser", kChangesUsers},
    {"bgrewriteaof", kForks},
    {"bgsave", kForks},
    {"client|pause", kStalls},
    {"client|unpause", "it would end a pause that an operator wanted"},
    {"cluster|addslots", kChangesCluster},
    {"cluster|addslotsrange", kChangesCluster},
    {"cluster|bumpepoch", kChangesCluster},
    {"cluster|cancelslotmigrations", kChangesCluster},
    {"cluster|delslots", kChangesCluster},
    {"cluster|delslotsrange", kChangesCluster},
    {"cluster|failover", kChangesCluster},
    {"cluster|flushslots", kChangesCluster},
    {"cluster|forget", kChangesCluster},
    {"cluster|meet", kChangesCluster},
    {"cluster|migrateslots", kChangesCluster},
    {"cluster|migration", kChangesCluster},
    {"cluster|replicate", kChangesCluster},
    {"cluster|reset", kChangesCluster},
    {"cluster|saveconfig", kChangesCluster},
    {"cluster|set-config-epoch", kChangesCluster},
    {"cluster|setslot", kChangesCluster},
    {"cluster|syncslots", kChangesCluster},
    {"config|resetstat", "it would erase statistics that others watch"},
    {"config|rewrite", "it would overwrite the server's configuration file"},
    {"config|set", "it would change the server's settings for every client"},
    {"debug", "it can crash, stall or corrupt the server for every client"},
    {"failover", "it would change the server's role under every client"},
    {"migrate", "it stalls the server until a host that the caller names has answered"},
    {"module|load", kRunsCode},
    {"module|loadex", kRunsCode},
    {"module|unload", kRunsCode},
    {"monitor", "it would show every client's commands and data"},
    {"pfdebug", "it is for tests of Redis itself"},
    {"pfselftest", kStalls},
    {"psync", kBecomesReplica},
    {"replconf", kBecomesReplica},
    {"replicaof", kReplacesData},
    {"restore-asking", "only Redis Cluster's own resharding may use it"},
    {"save", kStalls},
    {"shutdown", "it would stop the server for every client"},
    {"slaveof", kReplacesData},
    {"sync", kBecomesReplica},
};

// How specifically a pattern can match, from "not at all" up.
enum : int { kNoMatch, kMatchesAll, kMatchesCategory, kMatchesCommand, kMatchesSubcommand };

bool IsKnownCategory(std::string_view lower_name) {
  for (int i = 0; i < kAclCategoryCount; ++i) {
    if (AclCategoryName(static_cast<AclCategory>(i)) == lower_name) return true;
  }
  return lower_name == "all";
}

std::string KnownCategories() {
  std::string list = "@all";
  for (int i = 0; i < kAclCategoryCount; ++i) {
    list += Concat(", @", AclCategoryName(static_cast<AclCategory>(i)));
  }
  return list;
}

const DefaultDenial* FindDefaultDenial(const CommandSpec& spec) {
  const auto found = std::lower_bound(
      std::begin(kDefaultDenials), std::end(kDefaultDenials), spec.name,
      [](const DefaultDenial& denial, std::string_view name) { return denial.name < name; });
  if (found != std::end(kDefaultDenials) && found->name == spec.name) return found;
  return spec.parent == nullptr ? nullptr : FindDefaultDenial(*spec.parent);
}

}  // namespace

absl::Span<const DefaultDenial> DefaultDenials() { return kDefaultDenials; }

absl::StatusOr<CommandPolicy::Pattern> CommandPolicy::ParsePattern(std::string_view text,
                                                                   bool deny) {
  const std::string_view key = deny ? "deny" : "allow";
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(Concat("[commands] ", key, " holds \"", text, "\": ", why));
  };
  Pattern pattern;
  pattern.text = ToLower(text);
  pattern.deny = deny;
  if (text.substr(0, 1) == "@") {
    pattern.is_category = true;
    pattern.text.erase(0, 1);
    if (!IsKnownCategory(pattern.text)) {
      return refuse(Concat("there is no such category; known are ", KnownCategories()));
    }
    return pattern;
  }
  if (text.empty()) return refuse("expected a command, such as \"DEBUG\"");
  const bool has_blank = std::any_of(text.begin(), text.end(),
                                     [](char c) { return static_cast<unsigned char>(c) <= ' '; });
  if (has_blank) return refuse("write a subcommand with '|', such as \"CONFIG|SET\"");
  const size_t bar = text.find('|');
  if (bar == 0 || bar == text.size() - 1 || bar != text.rfind('|')) {
    return refuse("expected a command and a subcommand, such as \"CONFIG|SET\"");
  }
  return pattern;
}

absl::StatusOr<CommandPolicy> CommandPolicy::Parse(const std::vector<std::string>& allow,
                                                   const std::vector<std::string>& deny) {
  CommandPolicy policy;
  for (const bool denies : {false, true}) {
    for (const std::string& text : denies ? deny : allow) {
      absl::StatusOr<Pattern> pattern = ParsePattern(text, denies);
      if (!pattern.ok()) return pattern.status();
      policy.patterns_.push_back(*std::move(pattern));
    }
  }
  return policy;
}

int CommandPolicy::Specificity(const Pattern& pattern, const CommandSpec& spec) {
  if (pattern.is_category) {
    if (pattern.text == "all") return kMatchesAll;
    return spec.InCategory(pattern.text) ? kMatchesCategory : kNoMatch;
  }
  if (pattern.text == spec.name) {
    return spec.parent == nullptr ? kMatchesCommand : kMatchesSubcommand;
  }
  return spec.parent != nullptr && pattern.text == spec.parent->name ? kMatchesCommand : kNoMatch;
}

CommandVerdict CommandPolicy::Judge(const CommandSpec& spec) const {
  const Pattern* decisive = nullptr;
  int highest = kNoMatch;
  for (const Pattern& pattern : patterns_) {
    const int specificity = Specificity(pattern, spec);
    if (specificity > highest ||
        (specificity == highest && specificity != kNoMatch && pattern.deny)) {
      highest = specificity;
      decisive = &pattern;
    }
  }
  if (decisive != nullptr && !decisive->deny) return {};
  if (decisive != nullptr) {
    return {false, Concat("-NOPERM weir: '", spec.name, "' is denied: [commands] deny in weir's",
                          " configuration names \"", decisive->is_category ? "@" : "",
                          ToUpper(decisive->text), "\"")};
  }
  const DefaultDenial* denial = FindDefaultDenial(spec);
  if (denial == nullptr) return {};
  return {false, Concat("-NOPERM weir: '", spec.name, "' is denied: ", denial->reason,
                        "; [commands] allow = [\"", ToUpper(spec.name),
                        "\"] in weir's configuration permits it")};
}

std::vector<std::string> CommandPolicy::Unmatched(const CommandTable& table) const {
  std::vector<std::string> unmatched;
  for (const Pattern& pattern : patterns_) {
    const bool matches =
        std::any_of(table.specs().begin(), table.specs().end(),
                    [&](const auto& spec) { return Specificity(pattern, *spec) != 0; });
    if (!matches) unmatched.push_back(ToUpper(pattern.text));
  }
  return unmatched;
}

}  // namespace weir
