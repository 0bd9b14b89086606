#include "proxy/route_book.h"

#include <utility>

#include "resp/wire_text.h"

namespace weir {

std::unique_ptr<RouteBook> RouteBook::Make(const Config& config) {
  if (config.routes.empty()) return nullptr;
  std::vector<RouteRule> rules;
  for (const RouteConfig& route : config.routes) {
    RouteRule& rule = rules.emplace_back();
    rule.listeners = route.listeners;
    rule.users = route.users;
    rule.commands = route.commands;
    rule.keys = route.keys;
    for (const std::string& text : route.dbs) {
      int64_t db = 0;
      if (ParseWireNumber(text, &db)) rule.dbs.push_back(db);
    }
    for (size_t i = 0; i < config.upstreams.size(); ++i) {
      if (config.upstreams[i].name == route.upstream) rule.upstream = static_cast<uint16_t>(i);
    }
  }
  return std::unique_ptr<RouteBook>(
      new RouteBook(RouteRules(std::move(rules)), config.upstreams.size()));
}

RouteRules::Set RouteBook::ForCommand(UpstreamIndex home,
                                      const std::shared_ptr<const RoutingTable>& routing,
                                      const CommandEntry* entry, const ArgList& args) {
  if (entry == nullptr || entry->spec == nullptr) return rules_.ForCommand(args[0], nullptr);
  const CommandSpec& spec = *entry->spec;
  Known& known = known_[Number(home)];
  if (known.routing != routing) [[unlikely]] {
    known.routing = routing;
    known.by_id.clear();
    for (const auto& each : routing->commands().specs()) {
      known.by_id.push_back(rules_.ForCommand(each->name, each.get()));
    }
  }
  // A subcommand of weir's own has the id of its container.
  const bool is_known =
      spec.id < known.by_id.size() && routing->commands().specs()[spec.id].get() == &spec;
  return is_known ? known.by_id[spec.id] : rules_.ForCommand(spec.name, &spec);
}

}  // namespace weir
