// A table of configuration keys: what each is called, takes and means, and the field it sets.
//
// One such table drives all that is done with a configuration: reading it, naming what is wrong
// with it, listing the keys in --help, writing it out again, and the test that the annotated file
// is complete. The default of a key is stated once, as the initialiser of its field.
//
//   struct Settings { bool verbose = false; int64_t queue_max = 100; };
//   constexpr ConfigKey kKeys[] = {
//       {"verbose", FieldOf<&Settings::verbose>(), "Say more."},
//       {"queue_max", FieldOf<&Settings::queue_max>(), "Items that may wait.", 1, 1000},
//   };
#ifndef WEIR_PLUGINS_CONFIG_KEY_H_
#define WEIR_PLUGINS_CONFIG_KEY_H_

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "plugins/config_errors.h"
#include "plugins/config_tree.h"
#include "plugins/plugin_config.h"

namespace weir {

// kChoice is stored as an enum of one byte whose values are 0, 1, … in the order of the choices.
// kTree is left to its owner: known by name, neither checked nor stored.
enum class ConfigType : uint8_t { kBool, kInteger, kString, kStrings, kChoice, kTree };

// Where a value is stored: `in` maps a struct to its field of that type.
struct ConfigField {
  ConfigType type = ConfigType::kTree;
  void* (*in)(void* object) = nullptr;
};

struct ConfigKey {
  const char* name;
  ConfigField field;
  const char* description;  // one sentence, for people
  int64_t min = 0;          // of an integer, both included
  int64_t max = std::numeric_limits<int64_t>::max();
  const char* choices = nullptr;  // of a kChoice: "text|json"
  // Of a string, or of each of several: OK, or a message that goes on from "KEY: " and says what
  // was expected. It must not repeat the value if that may hold a secret.
  absl::Status (*check)(const std::string& value) = nullptr;
};

// An array of tables of a plugin, [[plugin.NAME.TABLE]], with its keys; it may hold others in turn.
struct PluginTable {
  const char* name;
  const char* description;  // one sentence
  std::span<const ConfigKey> keys;
  const void* defaults;  // a settings struct of the keys', as constructed
  std::span<const PluginTable> tables = {};
};

// The keys of a plugin, for the reader of the file. `enabled` is a key of every plugin.
struct PluginSchema {
  const char* name;
  const char* description;  // one sentence
  bool enabled;             // where the file is silent
  std::span<const ConfigKey> keys;
  const void* defaults;  // a settings struct of the keys', as constructed; nullptr if no keys
  std::span<const PluginTable> tables = {};
  // Adds what is wrong though each key by itself is as it should be. Called if the plugin is
  // enabled and no key was found wrong; nullptr: nothing more can be.
  void (*check)(const PluginConfig& config, ConfigErrors* errors) = nullptr;
};

// Reads `table` by `keys` into `object`, or only checks it when that is nullptr; fields whose key
// is absent keep their value. `section` is how errors call the table ("[limits]"). Members called
// as one of `nested` are the caller's, and skipped. What is wrong is added to `errors`.
// REQUIRES: `object` is of the struct that the keys' fields belong to.
void ReadTable(const ConfigNode& table, std::string_view section, std::span<const ConfigKey> keys,
               const std::vector<std::string_view>& nested, void* object, ConfigErrors* errors);

// The same for a plugin's table: InvalidArgument with all errors if it is not as `keys` say.
absl::Status ReadPluginKeys(const PluginConfig& config, std::span<const ConfigKey> keys,
                            void* settings);

// A field's value as TOML: `true`, `42`, `"text"`, `["a", "b"]`; "" for a kTree.
std::string FormatField(const ConfigKey& key, const void* object);

// `text` as a TOML string, quotes included; a plain ${ is written $${, as files want it.
std::string QuoteToml(std::string_view text);

// FieldOf<&Struct::member>(): the field of a member, its type taken from the member's.
namespace config_internal {
template <typename Member>
struct MemberOf;
template <typename Struct, typename Value>
struct MemberOf<Value Struct::*> {
  using StructType = Struct;
  using ValueType = Value;
};
}  // namespace config_internal

template <auto kMember>
constexpr ConfigField FieldOf() {
  using Of = config_internal::MemberOf<decltype(kMember)>;
  using Value = typename Of::ValueType;
  constexpr auto kIn = +[](void* object) -> void* {
    return &(static_cast<typename Of::StructType*>(object)->*kMember);
  };
  if constexpr (std::is_same_v<Value, bool>) {
    return {ConfigType::kBool, kIn};
  } else if constexpr (std::is_same_v<Value, int64_t>) {
    return {ConfigType::kInteger, kIn};
  } else if constexpr (std::is_same_v<Value, std::string>) {
    return {ConfigType::kString, kIn};
  } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
    return {ConfigType::kStrings, kIn};
  } else {
    static_assert(std::is_enum_v<Value> && sizeof(Value) == 1);
    return {ConfigType::kChoice, kIn};
  }
}

}  // namespace weir

#endif  // WEIR_PLUGINS_CONFIG_KEY_H_
