// Reads a configuration file into a Config, or says all that is wrong with it.
#include "proxy/config_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "plugins/nearest_name.h"
#include "plugins/text.h"
#include "proxy/config_checks.h"
#include "proxy/config_table.h"
#include "proxy/config_toml.h"
#include "proxy/listen_address.h"
#include "proxy/upstream_index.h"
#include "routing/route.h"

namespace weir {
namespace {

using Names = std::vector<std::string_view>;

// Walks one tree into one Config. Each Read... method takes one section.
class ConfigReader {
 public:
  ConfigReader(std::span<const PluginSchema> plugins, ConfigErrors* errors)
      : plugins_(plugins), errors_(errors) {}

  Config Read(const ConfigNode& root) {
    ReadTable(root, "", FindConfigSection("").keys,
              {"listener", "upstream", "route", "auth", "commands", "limits", "admin", "log",
               "slowlog", "hotkeys", "plugin"},
              &config_, errors_);
    ReadSection(root, "commands", {}, &config_.commands);
    ReadSection(root, "limits", {}, &config_.limits);
    ReadSection(root, "admin", {}, &config_.admin);
    ReadSection(root, "log", {}, &config_.log);
    ReadSection(root, "slowlog", {}, &config_.slowlog);
    ReadSection(root, "hotkeys", {}, &config_.hotkeys);
    ReadUpstreams(root);
    ReadListeners(root);
    ReadRoutes(root);
    ReadAuth(root);
    ReadPlugins(root);
    CheckLimits(root);
    return std::move(config_);
  }

 private:
  // The member of `parent` if it is there and a table; an error if it is anything else.
  const ConfigNode* FindTable(const ConfigNode& parent, std::string_view name,
                              std::string_view title) {
    const ConfigNode* table = parent.Find(name);
    if (table == nullptr || table->type == ConfigNodeType::kTable) return table;
    errors_->Add(table->position, Concat("expected the table ", title, ", found ",
                                         ConfigNodeTypeName(table->type), " called ", name));
    return nullptr;
  }

  // The tables of an array such as [[listener]]; an error for anything else.
  std::vector<const ConfigNode*> FindTables(const ConfigNode& parent, std::string_view name,
                                            std::string_view title) {
    std::vector<const ConfigNode*> tables;
    const ConfigNode* array = parent.Find(name);
    if (array == nullptr) return tables;
    if (array->type != ConfigNodeType::kArray) {
      errors_->Add(array->position, Concat("expected ", title, ", with two brackets; found ",
                                           ConfigNodeTypeName(array->type), " called ", name));
      return tables;
    }
    for (const ConfigNode& element : array->elements) {
      if (element.type == ConfigNodeType::kTable) {
        tables.push_back(&element);
      } else {
        errors_->Add(element.position, Concat("expected a table ", title, ", found ",
                                              ConfigNodeTypeName(element.type)));
      }
    }
    return tables;
  }

  const ConfigNode* ReadSection(const ConfigNode& root, std::string_view path, const Names& nested,
                                void* object) {
    const ConfigSection& section = FindConfigSection(path);
    const ConfigNode* table = FindTable(root, path, section.title);
    if (table != nullptr) {
      ReadTable(*table, section.title, section.keys, nested, object, errors_);
    }
    return table;
  }

  void ReadUpstreams(const ConfigNode& root) {
    const ConfigSection& section = FindConfigSection("upstream");
    const ConfigNode* tables = FindTable(root, "upstream", section.title);
    if (tables == nullptr || tables->members.empty()) {
      config_.upstreams.emplace_back();
      return;
    }
    for (const ConfigMember& member : tables->members) {
      const absl::Status name_status = CheckUpstreamName(member.name);
      if (!name_status.ok()) errors_->Add(member.position, Message(name_status));
      const std::string title = Concat("[upstream.", Printable(member.name), "]");
      if (FindTable(*tables, member.name, title) == nullptr) continue;
      UpstreamConfig& upstream = config_.upstreams.emplace_back();
      upstream.name = member.name;
      ReadTable(member.value, title, section.keys, {}, &upstream, errors_);
      if (upstream.reconnect_min_ms > upstream.reconnect_max_ms) {
        errors_->Add(
            member.position,
            Concat(title, " reconnect_min_ms: expected at most reconnect_max_ms, which is ",
                   upstream.reconnect_max_ms, ", found ", upstream.reconnect_min_ms));
      }
    }
    if (config_.upstreams.size() > kUpstreamsMax) {
      errors_->Add(tables->members.front().position,
                   Concat("expected at most ", kUpstreamsMax, " upstreams, found ",
                          config_.upstreams.size()));
    }
    if (!config_.upstreams.empty() && config_.FindUpstream("default") == nullptr) {
      errors_->Add(tables->members.front().position,
                   "expected one upstream to be called [upstream.default]");
    }
  }

  void ReadListeners(const ConfigNode& root) {
    const ConfigSection& section = FindConfigSection("listener");
    for (const ConfigNode* table : FindTables(root, "listener", section.title)) {
      ListenerConfig listener;
      ReadTable(*table, section.title, section.keys, {}, &listener, errors_);
      CheckListener(*table, listener);
      config_.listeners.push_back(std::move(listener));
    }
    if (config_.listeners.empty()) config_.listeners.emplace_back();
  }

  void CheckListener(const ConfigNode& table, const ListenerConfig& listener) {
    CheckUpstreamOf(table, "[[listener]]", listener.upstream);
    const ConfigNode* mode = table.Find("unix_mode");
    if (mode != nullptr && listener.address.rfind("unix:", 0) != 0) {
      errors_->Add(
          mode->position,
          Concat("[[listener]] unix_mode: expected only beside an address unix:PATH, found "
                 "it beside \"",
                 Printable(listener.address), "\""));
    }
    const bool is_unix = listener.address.rfind("unix:", 0) == 0;
    if (is_unix && listener.facade != FacadeKind::kNone && listener.facade_address.empty()) {
      errors_->Add(table.position,
                   "[[listener]] facade_address: expected one beside a facade on a Unix socket");
    }
    for (const ListenerConfig& other : config_.listeners) {
      // Port 0 stands for a port of its own each time.
      if (other.address != listener.address || ListensOnAnyPort(listener.address)) continue;
      errors_->Add(table.position, Concat("[[listener]] address: \"", Printable(listener.address),
                                          "\" is another listener's already"));
    }
  }

  void ReadRoutes(const ConfigNode& root) {
    const ConfigSection& section = FindConfigSection("route");
    for (const ConfigNode* table : FindTables(root, "route", section.title)) {
      RouteConfig route;
      ReadTable(*table, section.title, section.keys, {}, &route, errors_);
      CheckUpstreamOf(*table, section.title, route.upstream);
      CheckListenersOf(*table, route);
      config_.routes.push_back(std::move(route));
    }
    if (config_.routes.size() > RouteRules::kRulesMax) {
      errors_->Add(root.Find("route")->position,
                   Concat("expected at most ", RouteRules::kRulesMax, " [[route]] tables, found ",
                          config_.routes.size()));
    }
  }

  void CheckListenersOf(const ConfigNode& table, const RouteConfig& route) {
    Names names;
    for (const ListenerConfig& listener : config_.listeners) names.push_back(listener.address);
    for (const std::string& address : route.listeners) {
      if (std::find(names.begin(), names.end(), address) != names.end()) continue;
      errors_->Add(table.Find("listeners")->position,
                   Concat("[[route]] listeners: there is no [[listener]] with address \"",
                          Printable(address), "\"", DidYouMean(address, names)));
    }
  }

  // An upstream's name in a table of this title.
  void CheckUpstreamOf(const ConfigNode& table, std::string_view title, const std::string& name) {
    if (config_.FindUpstream(name) != nullptr || config_.upstreams.empty()) return;
    const ConfigNode* value = table.Find("upstream");
    Names names;
    for (const UpstreamConfig& upstream : config_.upstreams) names.push_back(upstream.name);
    errors_->Add(value == nullptr ? table.position : value->position,
                 Concat(title, " upstream: there is no [upstream.", Printable(name), "]",
                        DidYouMean(name, names)));
  }

  void ReadAuth(const ConfigNode& root) {
    const ConfigNode* table = ReadSection(root, "auth", {"user"}, &config_.auth);
    if (table == nullptr) return;
    const ConfigSection& section = FindConfigSection("auth.user");
    for (const ConfigNode* user_table : FindTables(*table, "user", section.title)) {
      AuthUser user;
      ReadTable(*user_table, section.title, section.keys, {}, &user, errors_);
      CheckUser(*user_table, user);
      config_.auth.users.push_back(std::move(user));
    }
    const bool users = config_.auth.mode == AuthMode::kUsers;
    if (users && config_.auth.users.empty()) {
      errors_->Add(table->position, "[auth] mode \"users\" expects at least one [[auth.user]]");
    }
    if (!users && !config_.auth.users.empty()) {
      errors_->Add(table->position,
                   "[auth] mode: expected \"users\", since there is an [[auth.user]]");
    }
  }

  void CheckUser(const ConfigNode& table, const AuthUser& user) {
    const ConfigNode* passwords = table.Find("passwords");
    if (passwords == nullptr ||
        (passwords->type == ConfigNodeType::kArray && passwords->elements.empty())) {
      errors_->Add(table.position, Concat("[[auth.user]] passwords: expected at least one for \"",
                                          Printable(user.name), "\", found none"));
    }
    for (const AuthUser& other : config_.auth.users) {
      if (other.name != user.name) continue;
      errors_->Add(table.position, Concat("[[auth.user]] name: there are two called \"",
                                          Printable(user.name), "\""));
      return;
    }
  }

  void ReadPlugins(const ConfigNode& root) {
    const ConfigNode* tables = FindTable(root, "plugin", "[plugin.NAME]");
    const ConfigNode none;
    if (tables == nullptr) tables = &none;
    Names names;
    for (const PluginSchema& schema : plugins_) {
      names.emplace_back(schema.name);
      config_.plugins.push_back(ReadPlugin(*tables, schema));
    }
    for (const ConfigMember& member : tables->members) {
      if (std::find(names.begin(), names.end(), member.name) != names.end()) continue;
      errors_->Add(member.position, Concat("there is no plugin '", Printable(member.name), "'",
                                           DidYouMean(member.name, names)));
    }
  }

  PluginConfig ReadPlugin(const ConfigNode& tables, const PluginSchema& schema) {
    PluginConfig plugin;
    plugin.name = schema.name;
    plugin.enabled = schema.enabled;
    plugin.filename = errors_->filename();
    const std::string title = Concat("[plugin.", schema.name, "]");
    const ConfigNode* table = FindTable(tables, schema.name, title);
    if (table == nullptr) return plugin;
    static constexpr ConfigKey kEnabled[] = {
        {"enabled", FieldOf<&PluginConfig::enabled>(), "Whether the plugin is in the chain."}};
    // First `enabled` alone, then the plugin's own keys without it.
    ConfigNode enabled;
    plugin.table.position = table->position;
    for (const ConfigMember& member : table->members) {
      (member.name == "enabled" ? enabled : plugin.table).members.push_back(member);
    }
    ReadTable(enabled, title, kEnabled, {}, &plugin, errors_);
    const size_t errors_before = errors_->count();
    ReadTable(plugin.table, title, schema.keys, NamesOf(schema.tables), nullptr, errors_);
    CheckPluginTables(plugin.table, Concat("plugin.", schema.name), schema.tables);
    if (plugin.enabled && schema.check != nullptr && errors_->count() == errors_before) {
      schema.check(plugin, errors_);
    }
    return plugin;
  }

  static Names NamesOf(std::span<const PluginTable> tables) {
    Names names;
    for (const PluginTable& table : tables) names.emplace_back(table.name);
    return names;
  }

  // The arrays of tables that a plugin's table holds, and what those hold.
  void CheckPluginTables(const ConfigNode& parent, std::string_view path,
                         std::span<const PluginTable> tables) {
    for (const PluginTable& table : tables) {
      const std::string table_path = Concat(path, ".", table.name);
      const std::string title = Concat("[[", table_path, "]]");
      for (const ConfigNode* node : FindTables(parent, table.name, title)) {
        ReadTable(*node, title, table.keys, NamesOf(table.tables), nullptr, errors_);
        CheckPluginTables(*node, table_path, table.tables);
      }
    }
  }

  void CheckLimits(const ConfigNode& root) {
    const LimitsConfig& limits = config_.limits;
    const ConfigNode* table = root.Find("limits");
    const ConfigPosition position = table == nullptr ? ConfigPosition() : table->position;
    if (limits.inline_bytes_max > limits.request_buffer_bytes_max) {
      errors_->Add(position,
                   Concat("[limits] inline_bytes_max: expected at most "
                          "request_buffer_bytes_max, which is ",
                          limits.request_buffer_bytes_max, ", found ", limits.inline_bytes_max));
    }
    if (limits.client_output_buffer_bytes_max > limits.memory_bytes_max) {
      errors_->Add(position, Concat("[limits] client_output_buffer_bytes_max: expected at most "
                                    "memory_bytes_max, which is ",
                                    limits.memory_bytes_max, ", found ",
                                    limits.client_output_buffer_bytes_max));
    }
  }

  std::span<const PluginSchema> plugins_;
  ConfigErrors* errors_;
  Config config_;
};

absl::Status FileError(const std::string& path, int error) {
  const std::string text = Concat(path, ": cannot read the configuration: ", std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(text) : absl::FailedPreconditionError(text);
}

}  // namespace

absl::StatusOr<Config> ParseConfig(std::string_view text, const std::string& filename,
                                   std::span<const PluginSchema> plugins) {
  ConfigErrors errors(filename);
  if (text.size() > kConfigFileBytesMax) {
    errors.Add({}, Concat("expected a configuration of at most ", kConfigFileBytesMax,
                          " bytes; is this the right file?"));
    return errors.ToStatus();
  }
  const ConfigNode root = ParseToml(text, &errors);
  // A tree that broke off in the middle would only give errors that follow from the first.
  if (!errors.empty()) return errors.ToStatus();
  Config config = ConfigReader(plugins, &errors).Read(root);
  if (!errors.empty()) return errors.ToStatus();
  return config;
}

absl::StatusOr<Config> LoadConfig(const std::string& path, std::span<const PluginSchema> plugins) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             std::fclose);
  if (file == nullptr) return FileError(path, errno);
  // One byte more than allowed tells a file of the greatest size from a larger one.
  std::string text(kConfigFileBytesMax + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return FileError(path, errno);
  return ParseConfig(text, path, plugins);
}

Config DefaultConfig(std::span<const PluginSchema> plugins) {
  return *ParseConfig("", "", plugins);
}

}  // namespace weir
