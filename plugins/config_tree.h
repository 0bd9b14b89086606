// A configuration as it was written: typed values and where in the file each one stands.
//
// The tree is what remains of a TOML file after parsing, `${VAR}` already filled in. It knows no
// key and no default; config_key.h gives values their meaning. Plain data, std types only.
#ifndef WEIR_PLUGINS_CONFIG_TREE_H_
#define WEIR_PLUGINS_CONFIG_TREE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

// A place in a file, both counted from 1; 0:0 where a value was not read from a file.
struct ConfigPosition {
  uint32_t line = 0;
  uint32_t column = 0;
};

enum class ConfigNodeType : uint8_t { kBool, kInteger, kFloat, kString, kArray, kTable, kOther };

struct ConfigMember;

// One value. Only the field that `type` names is meaningful. kOther is a TOML date or time, which
// no key of weir's takes.
struct ConfigNode {
  ConfigNodeType type = ConfigNodeType::kTable;
  ConfigPosition position;
  bool boolean = false;
  int64_t integer = 0;
  double floating = 0;
  std::string string;
  std::vector<ConfigNode> elements;   // kArray
  std::vector<ConfigMember> members;  // kTable, in the order of the file

  // The member of that name, or nullptr. Valid while this node is neither changed nor moved.
  const ConfigNode* Find(std::string_view name) const;
};

struct ConfigMember {
  std::string name;
  ConfigPosition position;  // of the name; the value has its own
  ConfigNode value;
};

// "a string", "an integer", …: for error texts.
std::string_view ConfigNodeTypeName(ConfigNodeType type);

}  // namespace weir

#endif  // WEIR_PLUGINS_CONFIG_TREE_H_
