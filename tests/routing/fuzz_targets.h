// What is fuzzed in routing/, as functions: the fuzzers in tests/fuzz feed them anything,
// corpus_test the committed corpora. A property that does not hold aborts.
#ifndef WEIR_TESTS_ROUTING_FUZZ_TARGETS_H_
#define WEIR_TESTS_ROUTING_FUZZ_TARGETS_H_

#include <string>
#include <string_view>

#include "routing/command_class.h"
#include "routing/command_table.h"
#include "routing/keys.h"
#include "routing/plan.h"
#include "routing/upstream_url.h"
#include "tests/support/fuzz_check.h"

namespace weir::testing {

// A server's reply to COMMAND: any bytes give a table or an error, and a table's specs never find a
// key where there is no argument.
inline void FuzzCommandTable(std::string_view reply) {
  // Arguments that key specs look at: numbers, keywords, and words in between.
  constexpr std::string_view kArgs[] = {"a", "2", "STREAMS", "b", "KEYS", "0", "STORE", "c", "-1"};
  const auto table = CommandTable::FromReply(reply);
  if (!table.ok()) return;
  const auto merged = CommandTable::Merge(*CommandTable::BuiltIn(), **table);
  WEIR_FUZZ_CHECK(merged->size() >= CommandTable::BuiltIn()->size());
  const auto routing = RoutingTable::Make(merged, CommandPolicy());
  const auto topology = Topology::Single({.host = "h", .port = 1});
  for (const auto& spec : (*table)->specs()) {
    WEIR_FUZZ_CHECK((*table)->specs()[spec->id] == spec);
    WEIR_FUZZ_CHECK(spec->parent != nullptr || (*table)->Find(spec->name) == spec.get());
    for (size_t argc = 1; argc <= std::size(kArgs); ++argc) {
      const ArgList args(absl::MakeConstSpan(kArgs, argc));
      KeyPositions keys;
      const KeysFound found = FindSlotArguments(*spec, args, &keys);
      WEIR_FUZZ_CHECK(found != KeysFound::kInvalid || keys.empty());
      for (const KeyPosition& key : keys) WEIR_FUZZ_CHECK(key.index < argc);
    }
    const std::string_view name = spec->parent == nullptr ? spec->name : spec->parent->name;
    const std::string_view request[] = {name, spec->own_name(), "x"};
    const ArgList args(absl::MakeConstSpan(request));
    const Plan plan = MakePlan(*routing, *topology, args);
    WEIR_FUZZ_CHECK(!ExplainPlan(plan, *topology, args).empty());
  }
}

// Upstream URLs: any bytes give an answer; normal form is read back as the same; a password that is
// understood stands in no text that may be logged.
inline void FuzzUpstreamUrl(std::string_view url) {
  // Nothing that weir's own words or the rest of a URL contain by chance.
  constexpr std::string_view kSecret = "Hunter2~";
  const auto parsed = ParseUpstreamUrl(url);
  if (!parsed.ok()) {
    // Wherever a secret stood: an error quotes no part of a URL.
    WEIR_FUZZ_CHECK(std::string(parsed.status().message()).find(kSecret) == std::string::npos);
    return;
  }
  WEIR_FUZZ_CHECK(!parsed->endpoints.empty());
  const std::string normal = parsed->ToString();
  if (parsed->password.find(kSecret) != std::string::npos) {
    UpstreamUrl elsewhere = *parsed;
    elsewhere.password = "***";
    WEIR_FUZZ_CHECK(elsewhere.ToString() == normal);
  }
  const auto again = ParseUpstreamUrl(normal);
  WEIR_FUZZ_CHECK(again.ok());
  WEIR_FUZZ_CHECK(again->ToString() == normal);
  WEIR_FUZZ_CHECK(again->endpoints == parsed->endpoints && again->db == parsed->db);
}

}  // namespace weir::testing

#endif  // WEIR_TESTS_ROUTING_FUZZ_TARGETS_H_
