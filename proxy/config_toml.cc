// TOML text to a configuration tree: the only file that includes toml++.
#include "proxy/config_toml.h"

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "plugins/text.h"

// toml++ 3.3 asserts some of what a file may break (a table header "[,"), and has clang assume it
// under NDEBUG. Without either it reports an error, so its assertions are taken out.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace weir {
namespace {

ConfigPosition PositionOf(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

ConfigNode NewNode(ConfigNodeType type, const toml::node& node) {
  ConfigNode result;
  result.type = type;
  result.position = PositionOf(node.source());
  return result;
}

ConfigNode Convert(const toml::node& node, ConfigErrors* errors);

ConfigNode ConvertString(const toml::node& node, ConfigErrors* errors) {
  ConfigNode result = NewNode(ConfigNodeType::kString, node);
  absl::StatusOr<std::string> filled = FillInEnvironment(node.as_string()->get());
  if (filled.ok()) {
    result.string = *std::move(filled);
  } else {
    errors->Add(result.position, Message(filled.status()));
  }
  return result;
}

ConfigNode ConvertTable(const toml::table& table, ConfigErrors* errors) {
  ConfigNode result = NewNode(ConfigNodeType::kTable, table);
  for (const auto& [key, value] : table) {
    result.members.push_back(
        {std::string(key.str()), PositionOf(key.source()), Convert(value, errors)});
  }
  // toml++ sorts by name; people read errors and chains in the order that they wrote.
  std::stable_sort(result.members.begin(), result.members.end(),
                   [](const ConfigMember& a, const ConfigMember& b) {
                     return std::tie(a.position.line, a.position.column) <
                            std::tie(b.position.line, b.position.column);
                   });
  return result;
}

ConfigNode Convert(const toml::node& node, ConfigErrors* errors) {
  ConfigNode result = NewNode(ConfigNodeType::kOther, node);
  switch (node.type()) {
    case toml::node_type::boolean:
      result.type = ConfigNodeType::kBool;
      result.boolean = node.as_boolean()->get();
      break;
    case toml::node_type::integer:
      result.type = ConfigNodeType::kInteger;
      result.integer = node.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      result.type = ConfigNodeType::kFloat;
      result.floating = node.as_floating_point()->get();
      break;
    case toml::node_type::string:
      return ConvertString(node, errors);
    case toml::node_type::array:
      result.type = ConfigNodeType::kArray;
      for (const toml::node& element : *node.as_array()) {
        result.elements.push_back(Convert(element, errors));
      }
      break;
    case toml::node_type::table:
      return ConvertTable(*node.as_table(), errors);
    default:
      break;
  }
  return result;
}

bool IsNameByte(char c, bool first) {
  return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (!first && c >= '0' && c <= '9');
}

// `reference` is what stands between ${ and }.
absl::StatusOr<std::string> ValueOf(std::string_view reference) {
  size_t length = 0;
  while (length < reference.size() && IsNameByte(reference[length], length == 0)) ++length;
  const std::string name(reference.substr(0, length));
  const std::string_view rest = reference.substr(length);
  if (name.empty() || (!rest.empty() && rest.substr(0, 2) != ":-")) {
    return InvalidArgument(Concat("expected ${NAME} or ${NAME:-DEFAULT}, found ${",
                                  Printable(reference), "}; a plain ${ is written $${"));
  }
  const char* value = std::getenv(name.c_str());
  if (value != nullptr && (*value != '\0' || rest.empty())) return std::string(value);
  if (!rest.empty()) return std::string(rest.substr(2));
  return InvalidArgument(Concat("the environment variable ", name, " is not set; set it, or write ",
                                "${", name, ":-DEFAULT}"));
}

}  // namespace

absl::StatusOr<std::string> FillInEnvironment(std::string_view text) {
  std::string out;
  while (true) {
    const size_t start = text.find("${");
    if (start == std::string_view::npos) break;
    if (start > 0 && text[start - 1] == '$') {
      out.append(text.substr(0, start - 1)).append("${");
      text.remove_prefix(start + 2);
      continue;
    }
    const size_t end = text.find('}', start);
    if (end == std::string_view::npos) {
      return InvalidArgument("expected } after ${; a plain ${ is written $${");
    }
    const absl::StatusOr<std::string> value = ValueOf(text.substr(start + 2, end - start - 2));
    if (!value.ok()) return value.status();
    out.append(text.substr(0, start)).append(*value);
    text.remove_prefix(end + 1);
  }
  return out.append(text);
}

ConfigNode ParseToml(std::string_view text, ConfigErrors* errors) {
  toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    errors->Add(PositionOf(error.source()), Concat("not TOML: ", Printable(error.description())));
    return {};
  }
  return ConvertTable(parsed.table(), errors);
}

}  // namespace weir
