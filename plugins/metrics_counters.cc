#include "plugins/metrics_counters.h"

#include <memory>
#include <utility>

#include "routing/command_class.h"

namespace weir {
namespace {

constexpr std::string_view kUnknown = "unknown";
constexpr std::string_view kOther = "other";

CommandCounters& FindOrMake(UpstreamCounters& upstream, const std::string& name) {
  const auto found = upstream.by_name.find(name);
  if (found != upstream.by_name.end()) return *found->second;
  if (upstream.by_name.size() < MetricsCounters::kCommandsMax) {
    CommandCounters* made = upstream.commands.Push(std::make_unique<CommandCounters>(name));
    upstream.by_name.emplace(name, made);
    return *made;
  }
  if (upstream.other == nullptr) {
    upstream.other = upstream.commands.Push(std::make_unique<CommandCounters>(kOther));
  }
  return *upstream.other;
}

}  // namespace

MetricsCounters::MetricsCounters(std::vector<std::string> upstreams) {
  for (std::string& name : upstreams) {
    upstreams_.push_back(std::make_unique<UpstreamCounters>(std::move(name)));
  }
  upstreams_.push_back(std::make_unique<UpstreamCounters>("none"));
}

CommandCounters& MetricsCounters::Command(int upstream_index, const CommandEntry* entry) {
  const auto index = static_cast<size_t>(upstream_index);
  UpstreamCounters& upstream =
      *upstreams_[index < upstreams_.size() ? index : upstreams_.size() - 1];
  if (entry == nullptr || entry->spec == nullptr) {
    if (upstream.unknown == nullptr) {
      upstream.unknown = upstream.commands.Push(std::make_unique<CommandCounters>(kUnknown));
    }
    return *upstream.unknown;
  }
  const CommandSpec& spec = *entry->spec;
  if (spec.id < upstream.by_id.size()) [[likely]] {
    CommandCounters* const counters = upstream.by_id[spec.id];
    if (counters != nullptr && counters->command == spec.name) [[likely]]
      return *counters;
  } else {
    upstream.by_id.resize(size_t{spec.id} + 1);
  }
  CommandCounters& counters = FindOrMake(upstream, spec.name);
  upstream.by_id[spec.id] = &counters;
  return counters;
}

void MetricsCounters::CountError(int upstream, const CommandEntry* entry, std::string_view code) {
  CommandCounters& command = Command(upstream, entry);
  CommandCounters::ErrorCounters* errors = command.errors.load(std::memory_order_relaxed);
  if (errors == nullptr) {
    errors = new CommandCounters::ErrorCounters();
    command.errors.store(errors, std::memory_order_release);
  }
  (*errors)[error_codes_.Number(code)].Add();
}

ListenerCounters& MetricsCounters::Listener(std::string_view address) {
  for (ListenerCounters* counters = listeners_.first(); counters != nullptr;
       counters = counters->next) {
    if (counters->address == address) return *counters;
  }
  return *listeners_.Push(std::make_unique<ListenerCounters>(address));
}

}  // namespace weir
