// Routes: which upstream a request goes to, by the rules of the configuration. The first rule that
// matches decides; without one, the upstream of the client's listener.
//
// A rule may say from where (listeners), by whom (users), in which dbs, with which commands, and to
// which keys. What it leaves out, it does not look at. Each key is decided alone: a rule with key
// patterns matches a key, and a command without keys never. So a command of several keys may turn
// out to be for several upstreams, and what has no key goes by the first rule that has no pattern.
//
// Channels stand for keys: in PUBLISH, SUBSCRIBE and their like, and PUBSUB NUMSUB. Of PSUBSCRIBE
// it is the pattern's own text that is compared.
#ifndef WEIR_ROUTING_ROUTE_H_
#define WEIR_ROUTING_ROUTE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/arg_list.h"
#include "routing/command_class.h"
#include "routing/keys.h"

namespace weir {

// An empty condition is none; of several values any will do.
struct RouteRule {
  std::vector<std::string> listeners{};  // as in [[listener]] address
  std::vector<std::string> users{};      // patterns
  std::vector<int64_t> dbs{};
  std::vector<std::string> commands{};  // see command_pattern.h
  std::vector<std::string> keys{};      // patterns, as KEYS takes them
  uint16_t upstream = 0;
};

struct RouteChoice {
  static constexpr int kNoRule = -1;

  int rule = kNoRule;     // that decided, of the first key if there are several
  uint16_t upstream = 0;  // likewise
  bool has_keys = false;
  // Of each key in its order, if they are not all for the same; else empty.
  std::vector<uint16_t> by_key;

  bool crosses() const { return !by_key.empty(); }
};

// Immutable once made.
class RouteRules {
 public:
  static constexpr size_t kRulesMax = 64;
  // Some of the rules: bit i is the i-th.
  using Set = uint64_t;

  // REQUIRES: at most kRulesMax.
  explicit RouteRules(std::vector<RouteRule> rules);

  Set ForListener(std::string_view address) const;
  Set ForClient(std::string_view user, int64_t db) const;
  // `spec` may be null: then only the name is known.
  Set ForCommand(std::string_view name, const CommandSpec* spec) const;

  // Whether requests of one client, in one db, may go to different upstreams; and by their keys.
  bool looks_at_requests() const { return looks_at_requests_; }
  bool looks_at_keys() const { return with_keys_ != 0; }

  // `candidates`: those that all the above agree on. `entry` may be null. `args` is at least one,
  // and the whole request. `home`: if no rule matches.
  RouteChoice Choose(Set candidates, const CommandEntry* entry, const ArgList& args,
                     uint16_t home) const;
  // Of a large request, of which only the first arguments are there. False: the keys that are to
  // decide cannot all be known.
  bool ChooseByHead(Set candidates, const CommandEntry* entry, const ArgList& args, uint16_t home,
                    RouteChoice* choice) const;

 private:
  int Find(Set candidates, const std::string_view* key) const;
  uint16_t UpstreamOf(int rule, uint16_t home) const {
    return rule == RouteChoice::kNoRule ? home : rules_[static_cast<size_t>(rule)].upstream;
  }

  std::vector<RouteRule> rules_;
  Set with_keys_ = 0;
  Set all_ = 0;
  bool looks_at_requests_ = false;
};

// The arguments by which a request is routed: its keys, and channels. None if it is malformed, so
// that Redis will refuse it wherever it goes.
KeyPositions RoutePlaces(const CommandEntry* entry, const ArgList& args);

}  // namespace weir

#endif  // WEIR_ROUTING_ROUTE_H_
