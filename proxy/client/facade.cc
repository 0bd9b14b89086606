// The facade of a listener: what weir answers itself to clients that expect a cluster or sentinels.
// Without one, a client sees a single server, whatever is behind weir.
#include "routing/facade.h"

#include <utility>

#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/net/address.h"
#include "proxy/worker.h"
#include "resp/errors.h"
#include "routing/text.h"

namespace weir {
namespace {

bool IsOf(const CommandEntry& entry, std::string_view container) {
  return entry.spec->parent != nullptr ? entry.spec->parent->name == container
                                       : entry.spec->name == container;
}

}  // namespace

// As the client that asks is to see it.
Facade Dispatcher::MakeFacade() const {
  const ListenerConfig& listener =
      worker_.config().listeners[static_cast<size_t>(session_.listener_)];
  Facade facade;
  facade.kind = listener.facade;
  facade.name = listener.facade_name;
  for (const std::string& weir : listener.facade_weirs) {
    if (auto parsed = ParseHostPort(weir); parsed.ok()) facade.weirs.push_back(*std::move(parsed));
  }
  const std::string own = listener.facade_address.empty()
                              ? Address::LocalOf(session_.stream_.fd()).ToString()
                              : listener.facade_address;
  const HostPort self = ParseHostPort(own).value_or(HostPort());
  const auto found = std::find(facade.weirs.begin(), facade.weirs.end(), self);
  facade.self = static_cast<size_t>(found - facade.weirs.begin());
  if (found == facade.weirs.end()) facade.weirs.push_back(self);
  return facade;
}

// Nothing: it is as without a facade.
std::optional<bool> Dispatcher::PerformFacade(const Plan& plan, const Input& input) {
  const ListenerConfig& listener =
      worker_.config().listeners[static_cast<size_t>(session_.listener_)];
  const ParsedRequest& parsed = input.parsed;
  if (input.tail != nullptr || session_.in_transaction() || plan.kind == PlanKind::kReject) {
    return std::nullopt;
  }
  const int version = session_.conversation_.protocol_version;
  if (listener.facade == FacadeKind::kSentinel) {
    if (!IsKeyword(parsed.arg(0), "sentinel")) return std::nullopt;
    return AnswerHere(plan, input, FacadeSentinelReply(MakeFacade(), parsed, version));
  }
  if (plan.entry == nullptr || plan.entry->spec == nullptr) return std::nullopt;
  const std::string& name = plan.entry->spec->name;
  const bool is_mode = name == "readonly" || name == "readwrite" || name == "asking";
  if (!is_mode && !IsOf(*plan.entry, "cluster")) return std::nullopt;
  if (!plan.entry->spec->ArityAllows(parsed.argc_declared)) {
    return Refuse(plan.entry, ErrorText(RedisError::kWrongArgCount, name), input);
  }
  // Every weir serves all, and reads where its configuration says.
  if (is_mode) return AnswerHere(plan, input, "+OK\r\n");
  // Redis knows best what is wrong with it.
  if (plan.entry->spec->parent == nullptr || name == "cluster|help") return std::nullopt;
  const std::string reply = FacadeClusterReply(MakeFacade(), parsed, version);
  if (!reply.empty()) return AnswerHere(plan, input, reply);
  return Refuse(plan.entry,
                Concat("-ERR weir: '", name, "' is not possible: the cluster is a facade"), input);
}

// What a client sees of a cluster behind weir: nothing, unless a facade says otherwise.
void Dispatcher::DescribeMode(LocalContext* context) {
  const ListenerConfig& listener =
      worker_.config().listeners[static_cast<size_t>(session_.listener_)];
  if (listener.facade == FacadeKind::kCluster) {
    context->shown_mode = "cluster";
  } else if (worker_.UpstreamAt(session_.upstream_).url().kind == UpstreamKind::kCluster) {
    context->shown_mode = "standalone";
  }
  if (listener.facade == FacadeKind::kSentinel) {
    context->sentinel_section = FacadeSentinelInfo(MakeFacade());
  }
}

}  // namespace weir
