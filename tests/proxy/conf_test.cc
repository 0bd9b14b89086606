// The annotated configuration: it names every key, and the defaults in it are the real ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "plugins/config_errors.h"
#include "plugins/registry.h"
#include "plugins/text.h"
#include "proxy/config_file.h"
#include "proxy/config_table.h"
#include "proxy/config_text.h"
#include "proxy/config_toml.h"

namespace weir {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

const std::string& Annotated() {
  static const std::string text = ReadFile(WEIR_SOURCE_DIR "/conf/weir.toml");
  return text;
}

// The file with its settings in force: prose begins with "# ", what is commented out with "#".
std::string Uncommented() {
  std::string text;
  for (std::string_view line : Split(Annotated(), '\n')) {
    if (line.size() > 1 && line[0] == '#' && line[1] != ' ') line.remove_prefix(1);
    text += Concat(line, "\n");
  }
  return text;
}

ConfigNode Tree() {
  ConfigErrors errors("weir.toml");
  ConfigNode root = ParseToml(Uncommented(), &errors);
  EXPECT_TRUE(errors.empty()) << errors.ToStatus();
  return root;
}

// A table of the tree by the path of its section; the first of an array or of named ones.
const ConfigNode* Find(const ConfigNode& root, std::string_view path) {
  const ConfigNode* node = &root;
  if (path.empty()) return node;
  for (const std::string_view name : Split(path, '.')) {
    node = node->Find(name);
    if (node == nullptr) return nullptr;
    if (node->type == ConfigNodeType::kArray) node = &node->elements.at(0);
  }
  return path == "upstream" ? node->Find("default") : node;
}

// The value as the table would write it.
std::string Written(const ConfigNode& value) {
  switch (value.type) {
    case ConfigNodeType::kBool:
      return value.boolean ? "true" : "false";
    case ConfigNodeType::kInteger:
      return Concat(value.integer);
    case ConfigNodeType::kString:
      return QuoteToml(value.string);
    case ConfigNodeType::kArray:
      return value.elements.empty() ? "[]" : "an array that is not empty";
    default:
      return "something else";
  }
}

void ExpectKeys(const ConfigNode& table, std::string_view title, std::span<const ConfigKey> keys,
                const void* defaults) {
  for (const ConfigKey& key : keys) {
    const ConfigNode* value = table.Find(key.name);
    ASSERT_NE(value, nullptr) << title << " " << key.name << " is not in conf/weir.toml";
    EXPECT_EQ(Written(*value), FormatField(key, defaults)) << title << " " << key.name;
  }
}

// A plugin's arrays of tables: one of each is shown.
void ExpectTables(const ConfigNode& parent, std::span<const PluginTable> tables) {
  for (const PluginTable& table : tables) {
    const ConfigNode* array = parent.Find(table.name);
    ASSERT_TRUE(array != nullptr && !array->elements.empty())
        << table.name << " is not in conf/weir.toml";
    ExpectKeys(array->elements[0], table.name, table.keys, table.defaults);
    ExpectTables(array->elements[0], table.tables);
  }
}

TEST(Conf, SetsNothingAsItIsInstalled) {
  const absl::StatusOr<Config> config = ParseConfig(Annotated(), "weir.toml", PluginSchemas());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(FormatConfig(*config), FormatConfig(DefaultConfig(PluginSchemas())));
}

TEST(Conf, NamesEveryKeyWithItsRealDefault) {
  const ConfigNode root = Tree();
  for (const ConfigSection& section : ConfigSections()) {
    const ConfigNode* table = Find(root, section.path);
    ASSERT_NE(table, nullptr) << section.title << " is not in conf/weir.toml";
    ExpectKeys(*table, section.title, section.keys, section.defaults);
  }
}

TEST(Conf, NamesEveryPluginWithItsRealDefaults) {
  const ConfigNode root = Tree();
  for (const PluginSchema& plugin : PluginSchemas()) {
    const ConfigNode* table = Find(root, Concat("plugin.", plugin.name));
    ASSERT_NE(table, nullptr) << "[plugin." << plugin.name << "] is not in conf/weir.toml";
    const ConfigNode* enabled = table->Find("enabled");
    ASSERT_NE(enabled, nullptr) << plugin.name;
    EXPECT_EQ(enabled->boolean, plugin.enabled) << plugin.name;
    ExpectKeys(*table, plugin.name, plugin.keys, plugin.defaults);
    ExpectTables(*table, plugin.tables);
  }
}

TEST(Conf, NamesNoOtherKey) {
  // In force, the file may only be refused for the user without a password that it shows.
  const absl::StatusOr<Config> config = ParseConfig(Uncommented(), "weir.toml", PluginSchemas());
  ASSERT_FALSE(config.ok());
  for (const std::string_view error : Split(Message(config.status()), '\n')) {
    EXPECT_TRUE(error.find("[[auth.user]]") != std::string_view::npos ||
                error.find("unix_mode") != std::string_view::npos)
        << error;
  }
}

TEST(Conf, ExplainsEveryKey) {
  // Each setting, or the run of settings that it is in, stands below a comment.
  std::string_view before;
  for (const std::string_view line : Split(Annotated(), '\n')) {
    if (line.size() > 1 && line[0] == '#' && line[1] != ' ') {
      EXPECT_EQ(before.substr(0, 1), "#") << line << " has no explanation above it";
    }
    EXPECT_LE(line.size(), 100u) << line;
    if (line.substr(0, 2) != "#[") before = line;
  }
}

}  // namespace
}  // namespace weir
