#include "routing/route.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "routing/command_pattern.h"
#include "routing/glob.h"

namespace weir {
namespace {

bool MatchesAny(const std::vector<std::string>& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(), [text](const std::string& pattern) {
    return MatchesGlob(pattern, text, GlobCase::kExact);
  });
}

// Channels that COMMAND does not tell of, or not as keys: where the first is, and whether all
// behind it are.
struct ChannelPlaces {
  std::string_view name;
  uint32_t first;
  bool and_all_behind;
};
constexpr ChannelPlaces kChannels[] = {
    {"publish", 1, false},           {"spublish", 1, false},  {"subscribe", 1, true},
    {"psubscribe", 1, true},         {"ssubscribe", 1, true}, {"pubsub|numsub", 2, true},
    {"pubsub|shardnumsub", 2, true},
};

const ChannelPlaces* ChannelsOf(const CommandSpec& spec) {
  if (!spec.InCategory("pubsub")) return nullptr;
  const auto found = std::find_if(std::begin(kChannels), std::end(kChannels),
                                  [&](const ChannelPlaces& c) { return c.name == spec.name; });
  return found == std::end(kChannels) ? nullptr : found;
}

}  // namespace

KeyPositions RoutePlaces(const CommandEntry* entry, const ArgList& args) {
  KeyPositions places;
  if (entry == nullptr || entry->spec == nullptr) return places;
  const CommandSpec& spec = *entry->spec;
  if (const ChannelPlaces* channels = ChannelsOf(spec)) {
    const uint32_t end = channels->and_all_behind ? args.size() : channels->first + 1;
    for (uint32_t i = channels->first; i < std::min(end, args.size()); ++i) {
      places.push_back({.index = i, .flags = {}});
    }
  } else if (entry->only_key != 0) {
    if (entry->only_key < args.size()) places.push_back({.index = entry->only_key, .flags = {}});
  } else if (FindKeys(spec, args, &places) == KeysFound::kInvalid) {
    places.clear();
  }
  return places;
}

RouteRules::RouteRules(std::vector<RouteRule> rules) : rules_(std::move(rules)) {
  for (size_t i = 0; i < rules_.size(); ++i) {
    all_ |= Set{1} << i;
    if (!rules_[i].keys.empty()) with_keys_ |= Set{1} << i;
    looks_at_requests_ |= !rules_[i].keys.empty() || !rules_[i].commands.empty();
  }
}

RouteRules::Set RouteRules::ForListener(std::string_view address) const {
  Set set = 0;
  for (size_t i = 0; i < rules_.size(); ++i) {
    const std::vector<std::string>& listeners = rules_[i].listeners;
    const bool is_it = listeners.empty() ||
                       std::find(listeners.begin(), listeners.end(), address) != listeners.end();
    if (is_it) set |= Set{1} << i;
  }
  return set;
}

RouteRules::Set RouteRules::ForClient(std::string_view user, int64_t db) const {
  Set set = 0;
  for (size_t i = 0; i < rules_.size(); ++i) {
    const RouteRule& rule = rules_[i];
    const bool in_db =
        rule.dbs.empty() || std::find(rule.dbs.begin(), rule.dbs.end(), db) != rule.dbs.end();
    if (in_db && (rule.users.empty() || MatchesAny(rule.users, user))) set |= Set{1} << i;
  }
  return set;
}

RouteRules::Set RouteRules::ForCommand(std::string_view name, const CommandSpec* spec) const {
  Set set = 0;
  for (size_t i = 0; i < rules_.size(); ++i) {
    const std::vector<std::string>& commands = rules_[i].commands;
    const bool is_it = commands.empty() ||
                       std::any_of(commands.begin(), commands.end(), [&](const std::string& one) {
                         return MatchesCommandPattern(one, name, spec);
                       });
    if (is_it) set |= Set{1} << i;
  }
  return set;
}

// The first of them for this key; null: for what has none.
int RouteRules::Find(Set candidates, const std::string_view* key) const {
  for (; candidates != 0; candidates &= candidates - 1) {
    const int i = std::countr_zero(candidates);
    const std::vector<std::string>& patterns = rules_[static_cast<size_t>(i)].keys;
    if (patterns.empty() || (key != nullptr && MatchesAny(patterns, *key))) return i;
  }
  return RouteChoice::kNoRule;
}

RouteChoice RouteRules::Choose(Set candidates, const CommandEntry* entry, const ArgList& args,
                               uint16_t home) const {
  RouteChoice choice;
  const KeyPositions places = RoutePlaces(entry, args);
  choice.has_keys = !places.empty();
  if (places.empty() || (candidates & with_keys_) == 0) {
    choice.rule = Find(candidates, nullptr);
    choice.upstream = UpstreamOf(choice.rule, home);
    return choice;
  }
  for (size_t i = 0; i < places.size(); ++i) {
    const std::string_view key = args[places[i].index];
    const int rule = Find(candidates, &key);
    const uint16_t upstream = UpstreamOf(rule, home);
    if (i == 0) {
      choice.rule = rule;
      choice.upstream = upstream;
    }
    if (upstream != choice.upstream && choice.by_key.empty()) {
      choice.by_key.assign(i, choice.upstream);
    }
    if (choice.crosses() || upstream != choice.upstream) choice.by_key.push_back(upstream);
  }
  return choice;
}

bool RouteRules::ChooseByHead(Set candidates, const CommandEntry* entry, const ArgList& args,
                              uint16_t home, RouteChoice* choice) const {
  const bool known = entry != nullptr && entry->spec != nullptr;
  const bool by_key = known && (candidates & with_keys_) != 0 &&
                      (MayHaveKeys(*entry->spec) || ChannelsOf(*entry->spec) != nullptr);
  const bool one_place =
      known && (entry->only_key != 0 ||
                (ChannelsOf(*entry->spec) != nullptr && !ChannelsOf(*entry->spec)->and_all_behind));
  if (by_key && (!one_place || RoutePlaces(entry, args).empty())) return false;
  // What is decided without keys must not look for them in half a request.
  if (by_key) {
    *choice = Choose(candidates, entry, args, home);
    return true;
  }
  *choice = RouteChoice();
  choice->rule = Find(candidates, nullptr);
  choice->upstream = UpstreamOf(choice->rule, home);
  choice->has_keys = known && MayHaveKeys(*entry->spec);
  return true;
}

}  // namespace weir
