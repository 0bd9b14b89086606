// What the tests of namespaces share: a tenant, which puts its prefix on requests and takes it off
// replies without any weir between.
#ifndef WEIR_TESTS_PLUGINS_NAMESPACE_SUPPORT_H_
#define WEIR_TESTS_PLUGINS_NAMESPACE_SUPPORT_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/namespace_reply.h"
#include "plugins/namespace_request.h"
#include "routing/command_class.h"
#include "routing/command_policy.h"
#include "routing/command_table.h"

namespace weir::testing {

using Args = std::vector<std::string>;

// With everything allowed, so that nothing is left to weir's own denials.
inline std::shared_ptr<const RoutingTable> RoutesOf(std::shared_ptr<const CommandTable> table) {
  return RoutingTable::Make(std::move(table), CommandPolicy::Parse({"@all"}, {}).value());
}
inline std::shared_ptr<const RoutingTable> BuiltInRoutes() {
  static const auto routes = RoutesOf(CommandTable::BuiltIn());
  return routes;
}

struct Tenant {
  std::string prefix = "acme:";
  bool scripts = false;
  bool cluster = false;
  std::shared_ptr<const RoutingTable> routes = BuiltInRoutes();

  NamespacedRequest Ask(const Args& args) const { return Ask(args, true, args.size()); }
  NamespacedRequest Ask(const Args& args, bool whole, size_t argc) const {
    const std::vector<std::string_view> views(args.begin(), args.end());
    const ArgList list(absl::MakeConstSpan(views));
    const NamespaceScope scope = {prefix, scripts, cluster, routes.get()};
    return PutOn(routes->Resolve(list), list, scope, whole, static_cast<uint32_t>(argc));
  }

  // What the server gets. REQUIRES: not refused.
  Args Sent(const Args& args, const NamespacedRequest& request) const {
    if (request.outcome == NamespacedRequest::Outcome::kRewritten) return request.args;
    Args sent = args;
    for (const uint32_t position : request.positions) sent.at(position).insert(0, prefix);
    return sent;
  }

  // "GET acme:k", or the refusal.
  std::string Say(const Args& args) const {
    const NamespacedRequest request = Ask(args);
    if (request.outcome == NamespacedRequest::Outcome::kRefused) return request.refusal;
    std::string line;
    for (const std::string& arg : Sent(args, request)) line += (line.empty() ? "" : " ") + arg;
    return line;
  }
};

inline Args Words(std::string_view line) {
  Args words(1);
  for (const char c : line) {
    if (c == ' ') {
      words.emplace_back();
    } else {
      words.back().push_back(c);
    }
  }
  return words;
}

}  // namespace weir::testing

#endif  // WEIR_TESTS_PLUGINS_NAMESPACE_SUPPORT_H_
