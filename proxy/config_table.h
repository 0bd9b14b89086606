// The one table of all that can be configured, by section of the file.
#ifndef WEIR_PROXY_CONFIG_TABLE_H_
#define WEIR_PROXY_CONFIG_TABLE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "plugins/config_key.h"
#include "proxy/config.h"

namespace weir {

enum class ConfigSectionKind : uint8_t {
  kTop,    // the keys before the first table
  kTable,  // [limits]: at most once
  kNamed,  // [upstream.NAME]: once for each name
  kArray,  // [[listener]]: any number
};

struct ConfigSection {
  const char* path;         // "limits", "upstream", "auth.user"; "" for kTop
  const char* title;        // as people write it: "[limits]", "[upstream.NAME]"; "" for kTop
  const char* description;  // one sentence
  ConfigSectionKind kind;
  std::span<const ConfigKey> keys;
  const void* defaults;  // a struct of the kind that the keys' fields belong to, as constructed
};

// In the order of the annotated file; each path once. They live as long as the process.
std::span<const ConfigSection> ConfigSections();

// REQUIRES: `path` is one of theirs.
const ConfigSection& FindConfigSection(std::string_view path);

}  // namespace weir

#endif  // WEIR_PROXY_CONFIG_TABLE_H_
