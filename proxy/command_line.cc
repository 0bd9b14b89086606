// What `weir` was told to do by its command line: the only file that includes CLI11.
#include "proxy/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/nearest_name.h"
#include "plugins/text.h"
#include "proxy/config_checks.h"
#include "proxy/config_file.h"
#include "proxy/config_table.h"
#include "proxy/config_text.h"
#include "proxy/listen_address.h"

namespace weir {
namespace {

constexpr int kExitBadConfig = 1;
constexpr int kExitBadArguments = 2;

// The arguments as they were written.
struct Arguments {
  std::string config_file;
  std::string check_file;
  std::vector<std::string> listen;
  std::string workers;
  std::string admin;
  std::string url;
};

CommandLine Exit(int code, std::string message) {
  CommandLine result;
  result.exit_code = code;
  result.message = std::move(message);
  return result;
}

CommandLine BadArguments(std::string_view text) {
  return Exit(kExitBadArguments, Concat("weir: ", text, "\nTry weir --help.\n"));
}

void DeclareOptions(CLI::App* app, Arguments* arguments) {
  app->set_version_flag("--version", "weir " WEIR_VERSION, "Print the version and exit");
  app->set_help_flag("--help,-h", "Print this and exit");
  app->add_option("--config", arguments->config_file, "Read this configuration")->type_name("FILE");
  // Each takes one value, so that a URL may follow.
  app->add_option("--listen", arguments->listen,
                  "Listen on 127.0.0.1:6380, [::1]:6380 or unix:PATH; may be repeated")
      ->type_name("ADDR")
      ->allow_extra_args(false);
  app->add_option("--workers", arguments->workers, "Threads that serve clients; 0: one a core")
      ->type_name("N");
  app->add_option("--admin", arguments->admin, "Where HTTP for metrics and health is served")
      ->type_name("ADDR|off");
  app->add_option("--check", arguments->check_file, "Check this configuration and exit")
      ->type_name("FILE");
  app->add_option("URL", arguments->url, "The Redis to stand in front of (redis://127.0.0.1:6379)")
      ->type_name("redis://[user[:password]@]host[:port][/db] or unix://path?db=N");
}

std::string HelpFooter(std::span<const PluginSchema> plugins) {
  return Concat(
      "Arguments override the file. Its keys, with their defaults (TOML; conf/weir.toml says more; "
      "strings\nmay hold ${VAR} and ${VAR:-default}):\n\n",
      DescribeConfig(plugins));
}

// "The following argument was not expected: …" is CLI11's; ours names the nearest option.
CommandLine UnknownArgument(const CLI::App& app, std::span<char* const> argv) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const char* argument : argv.subspan(1)) {
    const std::string_view name =
        std::string_view(argument).substr(0, std::string_view(argument).find('='));
    if (name.substr(0, 1) != "-" || std::find(names.begin(), names.end(), name) != names.end()) {
      continue;
    }
    return BadArguments(Concat("there is no option ", Printable(name),
                               DidYouMean(name, {names.begin(), names.end()})));
  }
  // What is left over need not be repeated: it may be a URL with a password.
  return BadArguments("expected one URL at most, found more arguments");
}

// What is between the first colon after "://" and the last "@" of an argument.
void HidePasswords(std::span<char* const> argv) {
  for (char* argument : argv.subspan(1)) {
    const std::string_view text(argument);
    const size_t scheme = text.find("://");
    const size_t at = text.rfind('@');
    if (scheme == std::string_view::npos || at == std::string_view::npos) continue;
    const size_t colon = text.find(':', scheme + 3);
    if (colon == std::string_view::npos || colon > at) continue;
    std::fill(argument + colon + 1, argument + at, '*');
  }
}

absl::Status OverrideWorkers(const std::string& text, Config* config) {
  // As if the file had said so, to be checked by the same table.
  ConfigNode table;
  ConfigMember& member = table.members.emplace_back();
  member.name = "workers";
  const bool digits = !text.empty() && text.size() < 10 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  member.value.type = digits ? ConfigNodeType::kInteger : ConfigNodeType::kString;
  if (digits) member.value.integer = std::stoll(text);
  ConfigErrors errors("");
  ReadTable(table, "", FindConfigSection("").keys, {}, config, &errors);
  return errors.ToStatus();
}

absl::Status OverrideListeners(const std::vector<std::string>& addresses, Config* config) {
  config->listeners.clear();
  for (const std::string& address : addresses) {
    const absl::Status status = CheckListenAddress(address);
    if (!status.ok()) return InvalidArgument(Concat("--listen: ", Message(status)));
    for (const ListenerConfig& other : config->listeners) {
      if (other.address == address && !ListensOnAnyPort(address)) {
        return InvalidArgument(Concat("--listen: ", address, " is given twice"));
      }
    }
    config->listeners.emplace_back().address = address;
  }
  return absl::OkStatus();
}

absl::Status OverrideUrl(const std::string& url, Config* config) {
  const absl::Status status = CheckUpstreamUrl(url);
  if (!status.ok()) return InvalidArgument(Concat("URL: ", Message(status)));
  for (UpstreamConfig& upstream : config->upstreams) {
    if (upstream.name == "default") upstream.url = url;
  }
  return absl::OkStatus();
}

absl::Status Override(const CLI::App& app, const Arguments& arguments, Config* config) {
  absl::Status status;
  if (app.count("--workers") > 0) {
    status = OverrideWorkers(arguments.workers, config);
    if (!status.ok()) return InvalidArgument(Concat("--", Message(status)));
  }
  if (app.count("--admin") > 0) {
    status = CheckAdminAddress(arguments.admin);
    if (!status.ok()) return InvalidArgument(Concat("--admin: ", Message(status)));
    config->admin.address = arguments.admin;
  }
  if (!arguments.listen.empty()) status = OverrideListeners(arguments.listen, config);
  if (status.ok() && app.count("URL") > 0) status = OverrideUrl(arguments.url, config);
  return status;
}

CommandLine Check(const std::string& file, std::span<const PluginSchema> plugins) {
  const absl::Status status = LoadConfig(file, plugins).status();
  if (!status.ok()) return Exit(kExitBadConfig, Concat(Message(status), "\n"));
  return Exit(0, Concat(file, ": the configuration is good\n"));
}

CommandLine Decide(const CLI::App& app, const Arguments& arguments,
                   std::span<const PluginSchema> plugins) {
  if (app.count("--check") > 0) {
    for (const CLI::Option* option : app.get_options()) {
      if (option->count() > 0 && !option->check_lname("check")) {
        return BadArguments("--check takes no other arguments");
      }
    }
    return Check(arguments.check_file, plugins);
  }
  CommandLine result;
  result.config = DefaultConfig(plugins);
  if (app.count("--config") > 0) {
    absl::StatusOr<Config> config = LoadConfig(arguments.config_file, plugins);
    if (!config.ok()) return Exit(kExitBadConfig, Concat(Message(config.status()), "\n"));
    result.config = *std::move(config);
  }
  const absl::Status status = Override(app, arguments, &result.config);
  if (!status.ok()) return BadArguments(Message(status));
  result.run = true;
  return result;
}

CommandLine ParseAndDecide(int argc, char** argv, std::span<const PluginSchema> plugins) {
  CLI::App app("weir: a Redis proxy that clients cannot tell from Redis", "weir");
  Arguments arguments;
  DeclareOptions(&app, &arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    app.footer(HelpFooter(plugins));
    return Exit(0, app.help());
  } catch (const CLI::CallForVersion&) {
    return Exit(0, "weir " WEIR_VERSION "\n");
  } catch (const CLI::ExtrasError&) {
    return UnknownArgument(app, {argv, static_cast<size_t>(argc)});
  } catch (const CLI::ParseError& error) {
    return BadArguments(error.what());
  }
  return Decide(app, arguments, plugins);
}

}  // namespace

CommandLine ParseCommandLine(int argc, char** argv, std::span<const PluginSchema> plugins) {
  CommandLine result = ParseAndDecide(argc, argv, plugins);
  // The arguments were copied, so nothing needs them any more.
  HidePasswords({argv, static_cast<size_t>(argc)});
  return result;
}

}  // namespace weir
