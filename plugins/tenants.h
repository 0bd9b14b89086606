// The namespaces in use: who has how many connections, requests, bytes and keys, and how many it
// may have. Shared by all workers of the process.
//
// A tenant is found once when a client's namespace is settled, under a lock; what counts for each
// request is an atomic word of the tenant's own.
#ifndef WEIR_PLUGINS_TENANTS_H_
#define WEIR_PLUGINS_TENANTS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/limit_algorithm.h"
#include "plugins/metrics_source.h"
#include "plugins/namespaces_config.h"

namespace weir {

enum class TenantOutcome : uint8_t { kPassed, kRefused, kOverQuota };
inline constexpr size_t kTenantOutcomes = 3;

class Tenant {
 public:
  // `rule` outlives it.
  Tenant(const NamespaceRuleSettings* rule, std::string prefix);

  const std::string& prefix() const { return prefix_; }
  const NamespaceRuleSettings& rule() const { return *rule_; }

  // From any thread, as all of these. False: there are connections_max already.
  bool Join();
  void Leave() { connections_.fetch_sub(1, std::memory_order_relaxed); }
  // HOT. Takes a request of so many bytes; empty: there is room, else an error line without CRLF.
  std::string Take(uint64_t now_ns, uint64_t bytes);
  // Whether it has keys_max by the last count.
  bool full() const { return rule_->keys_max != 0 && keys() >= rule_->keys_max; }
  int64_t keys() const { return keys_.load(std::memory_order_relaxed); }
  void SetKeys(int64_t keys) { keys_.store(keys, std::memory_order_relaxed); }
  void Count(TenantOutcome outcome) {
    outcomes_[static_cast<size_t>(outcome)].fetch_add(1, std::memory_order_relaxed);
  }
  int64_t connections() const { return connections_.load(std::memory_order_relaxed); }
  uint64_t count(size_t outcome) const {
    return outcomes_[outcome].load(std::memory_order_relaxed);
  }

 private:
  // A rate, if the rule has one.
  struct Rate {
    explicit Rate(int64_t points);
    LimitTake Take(uint64_t now_ns, uint64_t cost);
    const bool on;
    const LimitMath math;
    std::atomic<uint64_t> word{0};
  };

  const NamespaceRuleSettings* const rule_;
  const std::string prefix_;
  Rate requests_;
  Rate bytes_;
  std::atomic<int64_t> connections_{0};
  std::atomic<int64_t> keys_{0};
  std::atomic<uint64_t> outcomes_[kTenantOutcomes]{};
};

class Tenants final : public MetricsSource {
 public:
  static constexpr size_t kLabelsMax = 100;  // namespaces with metrics of their own

  explicit Tenants(NamespaceSettings settings) : settings_(std::move(settings)) {}

  const NamespaceSettings& settings() const { return settings_; }

  // Those without clients make room for others, but are looked for no more often than this.
  static constexpr uint64_t kForgetEveryNs = 100'000'000;

  // The tenant of that prefix; null: there are namespaces_max, as far as is known all with clients.
  // From any thread.
  std::shared_ptr<Tenant> Get(const NamespaceRuleSettings& rule, const std::string& prefix,
                              uint64_t now_ns);
  // All of now, by their prefixes.
  std::map<std::string, std::shared_ptr<Tenant>, std::less<>> All() const;
  void CountKeyCountFailed() { key_counts_failed_.fetch_add(1, std::memory_order_relaxed); }

  void Collect(MetricsSink& sink) const override;

 private:
  const NamespaceSettings settings_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Tenant>, std::less<>> tenants_;  // guarded by mutex_
  uint64_t forget_from_ns_ = 0;                                          // likewise
  std::atomic<uint64_t> key_counts_failed_{0};
};

}  // namespace weir

#endif  // WEIR_PLUGINS_TENANTS_H_
