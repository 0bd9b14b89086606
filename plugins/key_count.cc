#include "plugins/key_count.h"

#include <utility>

#include "plugins/host.h"
#include "plugins/text.h"
#include "resp/reply_elements.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

constexpr int kProtocolVersion = 2;  // of Host::Call
constexpr std::string_view kKeysAtOnce = "1000";

}  // namespace

std::string CountScanned(std::string_view reply, KeysByPrefix* counts) {
  const auto parts = CutElements(reply, kProtocolVersion);
  if (!parts.has_value() || parts->size() != 2) return {};
  const auto keys = CutElements((*parts)[1], kProtocolVersion);
  if (!keys.has_value()) return {};
  for (const std::string_view element : *keys) {
    const std::string_view key = StringOf(element);
    // None begins with another, so it is the last that is not behind the key.
    const auto behind = counts->upper_bound(key);
    if (behind == counts->begin()) continue;
    const auto found = std::prev(behind);
    if (key.starts_with(found->first)) ++found->second;
  }
  return std::string(StringOf((*parts)[0]));
}

struct KeyCount::Pass {
  KeysByPrefix counts;
  std::map<std::string, std::shared_ptr<Tenant>, std::less<>> tenants;
  std::vector<std::pair<int, std::string>> nodes;  // that are still to be scanned: upstream, key
  std::string cursor = "0";
};

KeyCount::KeyCount(Host* host, std::shared_ptr<Tenants> tenants)
    : host_(host), tenants_(std::move(tenants)) {
  Schedule();
}

KeyCount::~KeyCount() = default;

void KeyCount::Schedule() {
  const auto interval_ms = static_cast<uint64_t>(tenants_->settings().keys_count_interval_ms);
  timer_ = host_->After(interval_ms, [this] { Begin(); });
}

void KeyCount::Begin() {
  auto pass = std::make_shared<Pass>();
  pass->tenants = tenants_->All();
  for (const auto& [prefix, tenant] : pass->tenants) {
    if (tenant->rule().keys_max != 0) pass->counts.emplace(prefix, 0);
  }
  if (pass->counts.empty()) return Schedule();
  for (int upstream = 0; upstream < host_->upstreams(); ++upstream) {
    for (std::string& key : host_->KeyOfEachNode(upstream)) {
      pass->nodes.emplace_back(upstream, std::move(key));
    }
  }
  pass_ = std::move(pass);
  if (pass_->nodes.empty()) return End();
  Scan();
}

void KeyCount::Scan() {
  const auto& [upstream, key] = pass_->nodes.back();
  std::string request;
  AppendRequest(&request, {"SCAN", pass_->cursor, "COUNT", kKeysAtOnce});
  host_->Call(upstream, key, std::move(request),
              [this, weak = std::weak_ptr<Pass>(pass_)](std::string_view reply) {
                if (!weak.expired()) OnScanned(reply);
              });
}

void KeyCount::OnScanned(std::string_view reply) {
  pass_->cursor = CountScanned(reply, &pass_->counts);
  if (pass_->cursor.empty()) {
    // What was counted so far says nothing, so the last count stands.
    tenants_->CountKeyCountFailed();
    host_->Log("namespaces: the keys could not be counted", reply.substr(0, reply.find('\r')));
    pass_.reset();
    return Schedule();
  }
  if (pass_->cursor == "0") pass_->nodes.pop_back();
  if (pass_->nodes.empty()) return End();
  const auto pause_ms = static_cast<uint64_t>(tenants_->settings().keys_count_pause_ms);
  if (pause_ms == 0) return Scan();
  timer_ = host_->After(pause_ms, [this] { Scan(); });
}

void KeyCount::End() {
  for (const auto& [prefix, keys] : pass_->counts) pass_->tenants.at(prefix)->SetKeys(keys);
  pass_.reset();
  Schedule();
}

}  // namespace weir
