// A server's reply to COMMAND: any bytes give a table or an error, and a table's specs never find a
// key where there is no argument.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "routing/command_class.h"
#include "routing/command_table.h"
#include "routing/keys.h"
#include "routing/plan.h"

namespace {

// Arguments that key specs look at: numbers, keywords, and words in between.
constexpr std::string_view kArgs[] = {"a", "2", "STREAMS", "b", "KEYS", "0", "STORE", "c", "-1"};

void Check(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view reply(reinterpret_cast<const char*>(data), size);
  const auto table = weir::CommandTable::FromReply(reply);
  if (!table.ok()) return 0;
  const auto merged = weir::CommandTable::Merge(*weir::CommandTable::BuiltIn(), **table);
  Check(merged->size() >= weir::CommandTable::BuiltIn()->size());
  const auto routing = weir::RoutingTable::Make(merged, weir::CommandPolicy());
  const auto topology = weir::Topology::Single({.host = "h", .port = 1});
  for (const auto& spec : (*table)->specs()) {
    Check((*table)->specs()[spec->id] == spec);
    Check(spec->parent != nullptr || (*table)->Find(spec->name) == spec.get());
    for (size_t argc = 1; argc <= std::size(kArgs); ++argc) {
      const weir::ArgList args(absl::MakeConstSpan(kArgs, argc));
      weir::KeyPositions keys;
      const weir::KeysFound found = weir::FindSlotArguments(*spec, args, &keys);
      Check(found != weir::KeysFound::kInvalid || keys.empty());
      for (const weir::KeyPosition& key : keys) Check(key.index < argc);
    }
    const std::string_view name = spec->parent == nullptr ? spec->name : spec->parent->name;
    const std::string_view request[] = {name, spec->own_name(), "x"};
    const weir::ArgList args(absl::MakeConstSpan(request));
    const weir::Plan plan = weir::MakePlan(*routing, *topology, args);
    Check(!weir::ExplainPlan(plan, *topology, args).empty());
  }
  return 0;
}
