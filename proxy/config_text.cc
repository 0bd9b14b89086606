// The configuration written out: as TOML that reads back the same, and as the list in --help.
#include "proxy/config_text.h"

#include "plugins/text.h"
#include "proxy/config_table.h"
#include "routing/upstream_url.h"

namespace weir {
namespace {

constexpr size_t kDescriptionColumn = 44;
constexpr size_t kLineBytesMax = 100;

std::string FormatSection(std::string_view path, std::string_view title, const void* object) {
  std::string out = title.empty() ? "" : Concat("\n", title, "\n");
  for (const ConfigKey& key : FindConfigSection(path).keys) {
    out += Concat(key.name, " = ", FormatField(key, object), "\n");
  }
  return out;
}

std::string FormatUpstream(UpstreamConfig upstream) {
  const absl::StatusOr<UpstreamUrl> url = ParseUpstreamUrl(upstream.url);
  upstream.url = url.ok() ? url->ToString() : "";
  return FormatSection("upstream", Concat("[upstream.", upstream.name, "]"), &upstream);
}

std::string FormatNode(const ConfigNode& node) {
  std::string list;
  switch (node.type) {
    case ConfigNodeType::kBool:
      return node.boolean ? "true" : "false";
    case ConfigNodeType::kInteger:
      return Concat(node.integer);
    case ConfigNodeType::kFloat:
      return std::to_string(node.floating);
    case ConfigNodeType::kString:
      return QuoteToml(node.string);
    case ConfigNodeType::kArray:
      for (const ConfigNode& element : node.elements) {
        list += Concat(list.empty() ? "" : ", ", FormatNode(element));
      }
      return Concat("[", list, "]");
    case ConfigNodeType::kTable:
      for (const ConfigMember& member : node.members) {
        list += Concat(list.empty() ? "" : ", ", QuoteToml(member.name), " = ",
                       FormatNode(member.value));
      }
      return Concat("{", list, "}");
    case ConfigNodeType::kOther:
      break;
  }
  return "\"\"";
}

std::string FormatPlugin(const PluginConfig& plugin) {
  std::string out =
      Concat("\n[plugin.", plugin.name, "]\nenabled = ", plugin.enabled ? "true" : "false", "\n");
  for (const ConfigMember& member : plugin.table.members) {
    out += Concat(member.name, " = ", FormatNode(member.value), "\n");
  }
  return out;
}

// `text` from kDescriptionColumn on, broken between words.
std::string Wrap(std::string_view text) {
  std::string out;
  size_t column = kDescriptionColumn;
  for (const std::string_view word : Split(text, ' ')) {
    if (column + 1 + word.size() > kLineBytesMax) {
      out += "\n" + std::string(kDescriptionColumn, ' ');
      column = kDescriptionColumn;
    } else if (!out.empty()) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

std::string DescribeLine(std::string_view left, std::string_view description) {
  std::string line = Concat("  ", left);
  // A space at least, where the left part is long.
  line.append(line.size() < kDescriptionColumn ? kDescriptionColumn - line.size() : 1, ' ');
  return Concat(line, Wrap(description), "\n");
}

std::string DescribeTables(std::string_view path, std::span<const PluginTable> tables) {
  std::string out;
  for (const PluginTable& table : tables) {
    const std::string table_path = Concat(path, ".", table.name);
    out += Concat("\n[[", table_path, "]]  ", table.description, "\n");
    for (const ConfigKey& key : table.keys) {
      out +=
          DescribeLine(Concat(key.name, " = ", FormatField(key, table.defaults)), key.description);
    }
    out += DescribeTables(table_path, table.tables);
  }
  return out;
}

}  // namespace

std::string FormatConfig(const Config& config) {
  std::string out = FormatSection("", "", &config);
  for (const ListenerConfig& listener : config.listeners) {
    std::string section = FormatSection("listener", "[[listener]]", &listener);
    if (listener.address.rfind("unix:", 0) != 0) {
      // The mode is of Unix sockets only, and refused beside a TCP address.
      const size_t mode = section.find("unix_mode");
      section.erase(mode, section.find('\n', mode) + 1 - mode);
    }
    out += section;
  }
  for (const UpstreamConfig& upstream : config.upstreams) out += FormatUpstream(upstream);
  for (const RouteConfig& route : config.routes) {
    out += FormatSection("route", "[[route]]", &route);
  }
  out += FormatSection("auth", "[auth]", &config.auth);
  for (const AuthUser& user : config.auth.users) {
    out += Concat("\n[[auth.user]]\nname = ", QuoteToml(user.name), "\n");
  }
  out += FormatSection("commands", "[commands]", &config.commands);
  out += FormatSection("limits", "[limits]", &config.limits);
  out += FormatSection("admin", "[admin]", &config.admin);
  out += FormatSection("log", "[log]", &config.log);
  out += FormatSection("slowlog", "[slowlog]", &config.slowlog);
  out += FormatSection("hotkeys", "[hotkeys]", &config.hotkeys);
  for (const PluginConfig& plugin : config.plugins) out += FormatPlugin(plugin);
  return out;
}

std::string DescribeConfig(std::span<const PluginSchema> plugins) {
  std::string out;
  for (const ConfigSection& section : ConfigSections()) {
    if (section.kind != ConfigSectionKind::kTop) {
      out += Concat("\n", section.title, "  ", section.description, "\n");
    }
    for (const ConfigKey& key : section.keys) {
      out += DescribeLine(Concat(key.name, " = ", FormatField(key, section.defaults)),
                          key.description);
    }
  }
  for (const PluginSchema& plugin : plugins) {
    out += Concat("\n[plugin.", plugin.name, "]  ", plugin.description, "\n");
    out += DescribeLine(Concat("enabled = ", plugin.enabled ? "true" : "false"),
                        "Whether it is in the chain.");
    for (const ConfigKey& key : plugin.keys) {
      out +=
          DescribeLine(Concat(key.name, " = ", FormatField(key, plugin.defaults)), key.description);
    }
    out += DescribeTables(Concat("plugin.", plugin.name), plugin.tables);
  }
  return out;
}

}  // namespace weir
