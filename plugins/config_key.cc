// A table of configuration keys: how it checks values and stores them.
#include "plugins/config_key.h"

#include <algorithm>
#include <cstdio>

#include "plugins/nearest_name.h"
#include "plugins/text.h"

namespace weir {
namespace {

std::vector<std::string_view> Choices(const ConfigKey& key) { return Split(key.choices, '|'); }

std::string ExpectedInteger(const ConfigKey& key) {
  if (key.max != std::numeric_limits<int64_t>::max()) {
    return Concat("an integer from ", key.min, " to ", key.max);
  }
  return Concat("an integer of at least ", key.min);
}

std::string Expected(const ConfigKey& key) {
  switch (key.field.type) {
    case ConfigType::kBool:
      return "true or false";
    case ConfigType::kInteger:
      return ExpectedInteger(key);
    case ConfigType::kString:
      return "a string";
    case ConfigType::kStrings:
      return "an array of strings";
    case ConfigType::kChoice:
      return Concat("one of \"", Join(Choices(key), "\", \""), "\"");
    case ConfigType::kTree:
      break;
  }
  return "anything";
}

// Strings are not repeated: they may be secrets.
std::string Found(const ConfigNode& value) {
  switch (value.type) {
    case ConfigNodeType::kBool:
      return value.boolean ? "true" : "false";
    case ConfigNodeType::kInteger:
      return Concat(value.integer);
    case ConfigNodeType::kFloat:
      return Concat("the float ", std::to_string(value.floating));
    default:
      return std::string(ConfigNodeTypeName(value.type));
  }
}

// Reads one value by one key; the object of Reader::Read.
class KeyReader {
 public:
  KeyReader(const ConfigKey& key, std::string_view section, void* object, ConfigErrors* errors)
      : key_(key), section_(section), object_(object), errors_(errors) {}

  void Read(const ConfigNode& value) const {
    switch (key_.field.type) {
      case ConfigType::kBool:
        if (value.type != ConfigNodeType::kBool) return Mismatch(value);
        return Store<bool>(value.boolean);
      case ConfigType::kInteger:
        if (value.type != ConfigNodeType::kInteger || value.integer < key_.min ||
            value.integer > key_.max) {
          return Mismatch(value);
        }
        return Store<int64_t>(value.integer);
      case ConfigType::kString:
        if (!IsGoodString(value)) return;
        return Store<std::string>(value.string);
      case ConfigType::kStrings:
        return ReadStrings(value);
      case ConfigType::kChoice:
        return ReadChoice(value);
      case ConfigType::kTree:
        return;
    }
  }

 private:
  void Error(const ConfigNode& at, std::string_view text) const {
    errors_->Add(at.position, Concat(section_, section_.empty() ? "" : " ", key_.name, ": ", text));
  }
  void Mismatch(const ConfigNode& value) const {
    Error(value, Concat("expected ", Expected(key_), ", found ", Found(value)));
  }
  template <typename Value>
  void Store(const Value& value) const {
    if (object_ != nullptr) *static_cast<Value*>(key_.field.in(object_)) = value;
  }

  bool IsGoodString(const ConfigNode& value) const {
    if (value.type != ConfigNodeType::kString) {
      Mismatch(value);
      return false;
    }
    const absl::Status status = key_.check == nullptr ? absl::OkStatus() : key_.check(value.string);
    if (!status.ok()) Error(value, Message(status));
    return status.ok();
  }

  void ReadStrings(const ConfigNode& value) const {
    if (value.type != ConfigNodeType::kArray) return Mismatch(value);
    std::vector<std::string> strings;
    for (const ConfigNode& element : value.elements) {
      if (IsGoodString(element)) strings.push_back(element.string);
    }
    Store(strings);
  }

  void ReadChoice(const ConfigNode& value) const {
    if (value.type != ConfigNodeType::kString) return Mismatch(value);
    const std::vector<std::string_view> choices = Choices(key_);
    for (size_t i = 0; i < choices.size(); ++i) {
      if (value.string == choices[i]) return Store(static_cast<unsigned char>(i));
    }
    Error(value, Concat("expected ", Expected(key_), ", found \"", Printable(value.string), "\"",
                        DidYouMean(value.string, choices)));
  }

  const ConfigKey& key_;
  std::string_view section_;
  void* object_;
  ConfigErrors* errors_;
};

}  // namespace

void ReadTable(const ConfigNode& table, std::string_view section, std::span<const ConfigKey> keys,
               const std::vector<std::string_view>& nested, void* object, ConfigErrors* errors) {
  std::vector<std::string_view> names = nested;
  for (const ConfigKey& key : keys) names.emplace_back(key.name);
  for (const ConfigMember& member : table.members) {
    const auto name = std::find(names.begin(), names.end(), member.name);
    if (name == names.end()) {
      errors->Add(member.position,
                  Concat(section.empty() ? "the configuration" : section, " has no ",
                         member.value.type == ConfigNodeType::kTable ? "table" : "key", " '",
                         Printable(member.name), "'", DidYouMean(member.name, names)));
      continue;
    }
    const size_t index = static_cast<size_t>(name - names.begin());
    if (index < nested.size()) continue;
    KeyReader(keys[index - nested.size()], section, object, errors).Read(member.value);
  }
}

absl::Status ReadPluginKeys(const PluginConfig& config, std::span<const ConfigKey> keys,
                            void* settings) {
  ConfigErrors errors(config.filename);
  ReadTable(config.table, Concat("[plugin.", config.name, "]"), keys, {}, settings, &errors);
  return errors.ToStatus();
}

std::string QuoteToml(std::string_view text) {
  std::string quoted = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (text.substr(i, 2) == "${") {
      quoted += "$$";
    } else if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04X", static_cast<unsigned char>(c));
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string FormatField(const ConfigKey& key, const void* object) {
  if (key.field.type == ConfigType::kTree) return "";
  // Only read from here on; the accessor is shared with storing.
  const void* field = key.field.in(const_cast<void*>(object));
  switch (key.field.type) {
    case ConfigType::kBool:
      return *static_cast<const bool*>(field) ? "true" : "false";
    case ConfigType::kInteger:
      return Concat(*static_cast<const int64_t*>(field));
    case ConfigType::kString:
      return QuoteToml(*static_cast<const std::string*>(field));
    case ConfigType::kStrings: {
      const auto& strings = *static_cast<const std::vector<std::string>*>(field);
      std::string list;
      for (const std::string& string : strings) {
        list += Concat(list.empty() ? "" : ", ", QuoteToml(string));
      }
      return Concat("[", list, "]");
    }
    default:
      return QuoteToml(Choices(key)[*static_cast<const unsigned char*>(field)]);
  }
}

}  // namespace weir
