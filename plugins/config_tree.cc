// A configuration as it was written: typed values and where in the file each one stands.
#include "plugins/config_tree.h"

namespace weir {

const ConfigNode* ConfigNode::Find(std::string_view name) const {
  for (const ConfigMember& member : members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

std::string_view ConfigNodeTypeName(ConfigNodeType type) {
  switch (type) {
    case ConfigNodeType::kBool:
      return "a boolean";
    case ConfigNodeType::kInteger:
      return "an integer";
    case ConfigNodeType::kFloat:
      return "a float";
    case ConfigNodeType::kString:
      return "a string";
    case ConfigNodeType::kArray:
      return "an array";
    case ConfigNodeType::kTable:
      return "a table";
    case ConfigNodeType::kOther:
      break;
  }
  return "a date or time";
}

}  // namespace weir
