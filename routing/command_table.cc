#include "routing/command_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "routing/command_reply.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr char kRedisReply[] =
#include "routing/command_data/redis.inc"
    ;
constexpr char kWeirReply[] =
#include "routing/command_data/weir.inc"
    ;

}  // namespace

// Collects specs and then ties them together. Ids follow the order in which specs are added.
class CommandTableBuilder {
 public:
  CommandTableBuilder() : table_(new CommandTable) {}

  // REQUIRES: a subcommand comes after its container. The first of two specs of one name stays.
  void Add(CommandSpec spec) {
    const size_t bar = spec.name.find('|');
    const std::string_view name(spec.name);
    CommandSpec* parent = nullptr;
    if (bar != std::string_view::npos) {
      parent = FindMutable(name.substr(0, bar));
      if (parent == nullptr) return;
    }
    const uint32_t scope = parent == nullptr ? 0 : CommandTable::ScopeOf(*parent);
    const std::string_view own_name = parent == nullptr ? name : name.substr(bar + 1);
    if (table_->names_.Find(own_name, scope) != NameIndex::kAbsent) return;
    const auto id = static_cast<uint16_t>(specs_.size());
    table_->names_.Insert(own_name, id, scope);
    spec.id = id;
    spec.parent = parent;
    spec.subcommands.clear();
    specs_.push_back(std::make_unique<CommandSpec>(std::move(spec)));
  }

  // The order in which commands and subcommands are listed, by name; those never listed are left
  // out.
  void List(const CommandSpec& like) {
    CommandSpec* spec = FindSame(like);
    if (listed_.size() < specs_.size()) listed_.resize(specs_.size());
    if (spec == nullptr || spec->absent || listed_[spec->id]) return;
    listed_[spec->id] = true;
    if (spec->parent == nullptr) {
      table_->commands_.push_back(spec);
    } else {
      specs_[spec->parent->id]->subcommands.push_back(spec);
    }
  }

  std::shared_ptr<const CommandTable> Build() {
    table_->specs_.reserve(specs_.size());
    for (auto& spec : specs_) table_->specs_.push_back(std::move(spec));
    return std::move(table_);
  }

 private:
  CommandSpec* FindMutable(std::string_view name, uint32_t scope = 0) {
    const uint32_t id = table_->names_.Find(name, scope);
    return id == NameIndex::kAbsent ? nullptr : specs_[id].get();
  }

  CommandSpec* FindSame(const CommandSpec& like) {
    const std::string_view name(like.name);
    const size_t bar = name.find('|');
    if (bar == std::string_view::npos) return FindMutable(name);
    CommandSpec* parent = FindMutable(name.substr(0, bar));
    return parent == nullptr ? nullptr
                             : FindMutable(name.substr(bar + 1), CommandTable::ScopeOf(*parent));
  }

  std::shared_ptr<CommandTable> table_;
  std::vector<std::unique_ptr<CommandSpec>> specs_;
  std::vector<bool> listed_;
};

namespace {

std::shared_ptr<const CommandTable> BuildFrom(const std::vector<CommandReplyEntry>& entries) {
  CommandTableBuilder builder;
  for (const CommandReplyEntry& entry : entries) {
    builder.Add(entry.spec);
    for (const CommandSpec& subcommand : entry.subcommands) builder.Add(subcommand);
  }
  for (const CommandReplyEntry& entry : entries) {
    builder.List(entry.spec);
    for (const CommandSpec& subcommand : entry.subcommands) builder.List(subcommand);
  }
  return builder.Build();
}

void ListAll(const CommandTable& table, CommandTableBuilder* builder) {
  for (const CommandSpec* command : table.commands()) {
    builder->List(*command);
    for (const CommandSpec* subcommand : command->subcommands) builder->List(*subcommand);
  }
}

const CommandSpec* FindSame(const CommandTable& table, const CommandSpec& spec) {
  if (spec.parent == nullptr) return table.Find(spec.name);
  const CommandSpec* parent = table.Find(spec.parent->name);
  return parent == nullptr ? nullptr : table.FindSubcommand(*parent, spec.own_name());
}

// Whether it lists subcommands and key specs, as servers do since 7.0.
bool ListsAllItHas(const CommandTable& server) {
  return !server.specs().empty() &&
         std::all_of(server.specs().begin(), server.specs().end(),
                     [](const auto& spec) { return spec->has_key_specs; });
}

bool IsWeirs(const CommandSpec& spec) {
  return spec.name == "weir" || spec.name == "weir.on" || spec.name.starts_with("weir|");
}

}  // namespace

std::shared_ptr<const CommandTable> CommandTable::BuiltIn() {
  static const std::shared_ptr<const CommandTable> table = [] {
    std::vector<CommandReplyEntry> entries;
    for (const std::string_view reply : {std::string_view(kRedisReply, sizeof(kRedisReply) - 1),
                                         std::string_view(kWeirReply, sizeof(kWeirReply) - 1)}) {
      auto parsed = ParseCommandReply(reply);
      for (CommandReplyEntry& entry : parsed.value()) entries.push_back(std::move(entry));
    }
    return BuildFrom(entries);
  }();
  return table;
}

absl::StatusOr<std::shared_ptr<const CommandTable>> CommandTable::FromReply(
    std::string_view reply_bytes) {
  auto entries = ParseCommandReply(reply_bytes);
  if (!entries.ok()) return entries.status();
  return BuildFrom(*entries);
}

std::shared_ptr<const CommandTable> CommandTable::Merge(const CommandTable& base,
                                                        const CommandTable& server) {
  CommandTableBuilder builder;
  const bool lists_all = ListsAllItHas(server);
  for (const auto& spec : base.specs()) {
    const CommandSpec* theirs = FindSame(server, *spec);
    const bool replaces = theirs != nullptr && (theirs->has_key_specs || !spec->has_key_specs);
    CommandSpec merged = replaces ? *theirs : *spec;
    merged.absent = theirs == nullptr && lists_all && !IsWeirs(*spec);
    builder.Add(std::move(merged));
  }
  for (const auto& spec : server.specs()) builder.Add(*spec);
  ListAll(server, &builder);
  ListAll(base, &builder);
  return builder.Build();
}

const CommandSpec* CommandTable::Resolve(const ArgList& args) const {
  if (args.size() == 0) return nullptr;
  const CommandSpec* command = Find(args[0]);
  if (command == nullptr || command->subcommands.empty() || args.size() == 1) return command;
  return FindSubcommand(*command, args[1]);
}

}  // namespace weir
