#include "plugins/tenants.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"

namespace weir {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kRatePeriodMs = 1000;

constexpr Metric kConnections = {"weir_namespace_connections", MetricType::kGauge,
                                 "Clients of each namespace; \"other\": of those beyond the first "
                                 "hundred."};
constexpr Metric kRequests = {"weir_namespace_requests_total", MetricType::kCounter,
                              "Requests of each namespace by what became of them."};
constexpr Metric kKeys = {"weir_namespace_keys", MetricType::kGauge,
                          "Keys of each namespace by the last count."};
constexpr Metric kCountsFailed = {"weir_namespace_key_counts_failed_total", MetricType::kCounter,
                                  "Counts of keys that ended early because Redis refused SCAN or "
                                  "did not answer."};
constexpr std::string_view kOutcomeNames[kTenantOutcomes] = {"passed", "refused", "over_quota"};

LimitShape PerSecond(int64_t points) {
  return {LimitAlgorithm::kGcra, static_cast<uint64_t>(std::max<int64_t>(points, 1)), kRatePeriodMs,
          0};
}

}  // namespace

Tenant::Rate::Rate(int64_t points) : on(points != 0), math(PerSecond(points)) {}

LimitTake Tenant::Rate::Take(uint64_t now_ns, uint64_t cost) {
  // What is larger than a second's worth takes all of it.
  cost = std::min(cost, math.shape().capacity());
  uint64_t before = word.load(std::memory_order_relaxed);
  while (true) {
    const LimitTake take = math.Take(before, now_ns, cost);
    if (!take.allowed) return take;
    if (word.compare_exchange_weak(before, take.word, std::memory_order_relaxed)) return take;
  }
}

Tenant::Tenant(const NamespaceRuleSettings* rule, std::string prefix)
    : rule_(rule),
      prefix_(std::move(prefix)),
      requests_(rule->requests_per_s_max),
      bytes_(rule->bytes_per_s_max) {}

bool Tenant::Join() {
  const int64_t before = connections_.fetch_add(1, std::memory_order_relaxed);
  if (rule_->connections_max == 0 || before < rule_->connections_max) return true;
  Leave();
  return false;
}

std::string Tenant::Take(uint64_t now_ns, uint64_t bytes) {
  const auto line = [this](std::string_view what, int64_t limit, const LimitTake& take) {
    return Concat("-RATELIMIT namespace=", prefix_, " rule=", rule_->name, " ", what, "=", limit,
                  " remaining=0 retry_after_ms=", (take.wait_ns + kNsPerMs - 1) / kNsPerMs);
  };
  if (requests_.on) {
    const LimitTake take = requests_.Take(now_ns, 1);
    if (!take.allowed) return line("requests_per_s_max", rule_->requests_per_s_max, take);
  }
  if (bytes_.on) {
    const LimitTake take = bytes_.Take(now_ns, bytes);
    if (!take.allowed) return line("bytes_per_s_max", rule_->bytes_per_s_max, take);
  }
  return {};
}

std::shared_ptr<Tenant> Tenants::Get(const NamespaceRuleSettings& rule, const std::string& prefix,
                                     uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  const auto found = tenants_.find(prefix);
  if (found != tenants_.end()) return found->second;
  if (tenants_.size() >= static_cast<size_t>(settings_.namespaces_max)) {
    if (now_ns < forget_from_ns_) return nullptr;
    forget_from_ns_ = now_ns + kForgetEveryNs;
    // Nobody else has one of these, so nobody can come to have it meanwhile.
    std::erase_if(tenants_, [](const auto& one) { return one.second.use_count() == 1; });
    if (tenants_.size() >= static_cast<size_t>(settings_.namespaces_max)) return nullptr;
  }
  return tenants_.emplace(prefix, std::make_shared<Tenant>(&rule, prefix)).first->second;
}

std::map<std::string, std::shared_ptr<Tenant>, std::less<>> Tenants::All() const {
  const std::lock_guard lock(mutex_);
  return tenants_;
}

void Tenants::Collect(MetricsSink& sink) const {
  size_t shown = 0;
  for (const auto& [prefix, tenant] : All()) {
    const std::string_view name = shown++ < kLabelsMax ? std::string_view(prefix) : "other";
    sink.Add(kConnections, {{"namespace", name}}, static_cast<double>(tenant->connections()));
    for (size_t i = 0; i < kTenantOutcomes; ++i) {
      sink.Add(kRequests, {{"namespace", name}, {"outcome", kOutcomeNames[i]}},
               static_cast<double>(tenant->count(i)));
    }
    if (tenant->rule().keys_max != 0) {
      sink.Add(kKeys, {{"namespace", name}}, static_cast<double>(tenant->keys()));
    }
  }
  sink.Add(kCountsFailed, {},
           static_cast<double>(key_counts_failed_.load(std::memory_order_relaxed)));
}

}  // namespace weir
