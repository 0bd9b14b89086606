// RouteBook: the [[route]] rules of the configuration as one worker uses them: what they say about
// a command is looked up once for each.
#ifndef WEIR_PROXY_ROUTE_BOOK_H_
#define WEIR_PROXY_ROUTE_BOOK_H_

#include <memory>
#include <string_view>
#include <vector>

#include "proxy/config.h"
#include "proxy/upstream_index.h"
#include "routing/command_class.h"
#include "routing/route.h"

namespace weir {

class RouteBook {
 public:
  // Null if the configuration has no rules.
  static std::unique_ptr<RouteBook> Make(const Config& config);

  const RouteRules& rules() const { return rules_; }
  // The rules that mean this command of args, by the table of `home`'s upstream. `entry`, of that
  // table, may be null.
  RouteRules::Set ForCommand(UpstreamIndex home, const std::shared_ptr<const RoutingTable>& routing,
                             const CommandEntry* entry, const ArgList& args);

 private:
  // Of one table; by CommandSpec::id.
  struct Known {
    std::shared_ptr<const RoutingTable> routing;
    std::vector<RouteRules::Set> by_id;
  };

  RouteBook(RouteRules rules, size_t upstreams) : rules_(std::move(rules)), known_(upstreams) {}

  const RouteRules rules_;
  std::vector<Known> known_;  // by home
};

}  // namespace weir

#endif  // WEIR_PROXY_ROUTE_BOOK_H_
