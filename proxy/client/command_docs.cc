#include "proxy/client/command_docs.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>

#include "resp/reply_writer.h"
#include "routing/command_table.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr std::string_view kOwnName = "weir";

struct ArgDocs {
  std::string_view name;
  bool optional;
  bool multiple;
};

struct Docs {
  std::string_view name;
  std::string_view summary;
  std::string_view complexity;
  std::vector<ArgDocs> args;
};

const Docs& DocsOf(const CommandSpec& spec) {
  static const std::vector<Docs> kDocs = {
      {"weir", "A container for what only weir can tell", "Depends on subcommand.", {}},
      {"weir|explain",
       "Show what weir would do with a command, without running it",
       "O(N) where N is the number of arguments",
       {{"command", false, false}, {"arg", true, true}}},
      {"weir.idem",
       "Run a command that writes once for each token, and say its first reply again",
       "Depends on the command.",
       {{"token", false, false},
        {"option", true, true},
        {"command", false, false},
        {"arg", true, true}}},
      {"weir.limit",
       "Count against a limit that the caller names, and say how much of it remains",
       "O(1), with sliding_log O(log N) for each point",
       {{"key", false, false}, {"option", true, true}}},
      {"cl.throttle",
       "Count against a limit as redis-cell does",
       "O(1)",
       {{"key", false, false},
        {"max_burst", false, false},
        {"count", false, false},
        {"period", false, false},
        {"quantity", true, false}}},
      {"weir.on",
       "Run one command on an upstream that it names",
       "Depends on the command.",
       {{"upstream", false, false}, {"command", false, false}, {"arg", true, true}}},
      {"weir|bigkeys",
       "Show the keys that move most bytes",
       "O(N*log(N)) where N is the number of keys tracked",
       {{"count", true, false}}},
      {"weir|health",
       "Show which nodes weir reaches, and why not the others",
       "O(N) where N is the number of nodes",
       {}},
      {"weir|help", "Show helpful text about the different subcommands", "O(1)", {}},
      {"weir|hotkeys",
       "Show the keys that are asked for most",
       "O(N*log(N)) where N is the number of keys tracked",
       {{"count", true, false}}},
      {"weir|slowlog",
       "Show the requests that took long, and where their time went",
       "O(N) where N is the number of entries returned",
       {{"subcommand", false, false}, {"count", true, false}}},
      {"weir|topology",
       "Show an upstream's nodes, their roles and slots",
       "O(N) where N is the number of nodes",
       {{"upstream", true, false}}},
      {"weir|upstreams",
       "Show all upstreams and where they are",
       "O(N) where N is the number of upstreams",
       {}},
  };
  return *std::find_if(kDocs.begin(), kDocs.end() - 1,
                       [&](const Docs& docs) { return docs.name == spec.name; });
}

void WriteFlags(ReplyWriter& reply, CommandFlags flags) {
  reply.SetHeader(static_cast<uint64_t>(std::popcount(flags.bits())));
  for (int i = 0; i < kCommandFlagCount; ++i) {
    const auto flag = static_cast<CommandFlag>(i);
    if (flags.Has(flag)) reply.SimpleString(CommandFlagName(flag));
  }
}

void WriteCategories(ReplyWriter& reply, AclCategories categories) {
  reply.SetHeader(static_cast<uint64_t>(std::popcount(categories.bits())));
  for (int i = 0; i < kAclCategoryCount; ++i) {
    const auto category = static_cast<AclCategory>(i);
    if (categories.Has(category)) {
      reply.SimpleString(Concat("@", AclCategoryName(category)));
    }
  }
}

// weir's own are all found by index and range.
void WriteKeySpec(ReplyWriter& reply, const KeySpec& key) {
  reply.MapHeader(3);
  reply.Bulk("flags");
  reply.SetHeader(static_cast<uint64_t>(std::popcount(key.flags.bits())));
  for (int i = 0; i < kKeyFlagCount; ++i) {
    const auto flag = static_cast<KeyFlag>(i);
    if (key.flags.Has(flag)) reply.SimpleString(KeyFlagName(flag));
  }
  reply.Bulk("begin_search");
  reply.MapHeader(2);
  reply.Bulk("type");
  reply.Bulk("index");
  reply.Bulk("spec");
  reply.MapHeader(1);
  reply.Bulk("index");
  reply.Integer(key.index);
  reply.Bulk("find_keys");
  reply.MapHeader(2);
  reply.Bulk("type");
  reply.Bulk("range");
  reply.Bulk("spec");
  reply.MapHeader(3);
  reply.Bulk("lastkey");
  reply.Integer(key.last_key);
  reply.Bulk("keystep");
  reply.Integer(key.key_step);
  reply.Bulk("limit");
  reply.Integer(key.limit);
}

void WriteInfo(ReplyWriter& reply, const CommandSpec& spec, uint64_t fields) {
  reply.ArrayHeader(fields);
  reply.Bulk(spec.name);
  reply.Integer(spec.arity);
  WriteFlags(reply, spec.flags);
  reply.Integer(spec.first_key);
  reply.Integer(spec.last_key);
  reply.Integer(spec.step);
  if (fields > 6) WriteCategories(reply, spec.categories);
  if (fields < kCommandInfoFields) return;
  reply.SetHeader(0);  // no tips
  reply.SetHeader(spec.key_specs.size());
  for (const KeySpec& key : spec.key_specs) WriteKeySpec(reply, key);
  if (spec.subcommands.empty()) return reply.SetHeader(0);
  reply.ArrayHeader(spec.subcommands.size());
  for (const CommandSpec* subcommand : spec.subcommands) WriteInfo(reply, *subcommand, fields);
}

void WriteArgs(ReplyWriter& reply, const std::vector<ArgDocs>& args) {
  reply.ArrayHeader(args.size());
  for (const ArgDocs& arg : args) {
    const uint64_t flags = (arg.optional ? 1 : 0) + (arg.multiple ? 1 : 0);
    reply.MapHeader(flags == 0 ? 2 : 3);
    reply.Bulk("name");
    reply.Bulk(arg.name);
    reply.Bulk("type");
    reply.Bulk("string");
    if (flags == 0) continue;
    reply.Bulk("flags");
    reply.SetHeader(flags);
    if (arg.optional) reply.SimpleString("optional");
    if (arg.multiple) reply.SimpleString("multiple");
  }
}

void WriteDocs(ReplyWriter& reply, const CommandSpec& spec) {
  const Docs& docs = DocsOf(spec);
  reply.Bulk(spec.name);
  reply.MapHeader(4 + (docs.args.empty() ? 0 : 1) + (spec.subcommands.empty() ? 0 : 1));
  reply.Bulk("summary");
  reply.Bulk(docs.summary);
  reply.Bulk("since");
  reply.Bulk("0.1.0");
  reply.Bulk("group");
  reply.Bulk("connection");
  reply.Bulk("complexity");
  reply.Bulk(docs.complexity);
  if (!docs.args.empty()) {
    reply.Bulk("arguments");
    WriteArgs(reply, docs.args);
  }
  if (!spec.subcommands.empty()) {
    reply.Bulk("subcommands");
    reply.MapHeader(spec.subcommands.size());
    for (const CommandSpec* subcommand : spec.subcommands) WriteDocs(reply, *subcommand);
  }
}

const CommandSpec& OwnContainer() {
  // The table is kept for the life of the program by BuiltIn itself.
  static const CommandSpec* const container = CommandTable::BuiltIn()->Find(kOwnName);
  return *container;
}

}  // namespace

const CommandSpec* FindOwnCommand(std::string_view name) {
  for (const CommandSpec* spec : OwnCommands()) {
    if (EqualsIgnoreCase(spec->name, name)) return spec;
  }
  return nullptr;
}

const std::vector<const CommandSpec*>& OwnCommands() {
  static const std::vector<const CommandSpec*> commands = [] {
    std::vector<const CommandSpec*> all = {&OwnContainer()};
    all.insert(all.end(), OwnContainer().subcommands.begin(), OwnContainer().subcommands.end());
    all.push_back(CommandTable::BuiltIn()->Find("weir.on"));
    return all;
  }();
  return commands;
}

std::string CommandInfoEntry(const CommandSpec& spec, uint64_t fields, int protocol_version) {
  std::string entry;
  ReplyWriter reply(&entry, protocol_version);
  WriteInfo(reply, spec, std::clamp<uint64_t>(fields, 6, kCommandInfoFields));
  return entry;
}

std::string CommandDocsPair(const CommandSpec& spec, int protocol_version) {
  std::string pair;
  ReplyWriter reply(&pair, protocol_version);
  WriteDocs(reply, spec);
  return pair;
}

}  // namespace weir
