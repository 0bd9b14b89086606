#include "plugins/namespace_request.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "plugins/idem_command.h"
#include "plugins/namespace_flush.h"
#include "resp/errors.h"
#include "routing/command_class.h"
#include "routing/command_spec.h"
#include "routing/text.h"

namespace weir {
namespace {

using Outcome = NamespacedRequest::Outcome;

// Redis quotes no more arguments than these of a command that it does not know.
constexpr uint32_t kQuotedArgsMax = 64;

// One request on its way through the rules; what is found goes into `out`.
struct Asked {
  const CommandEntry* entry;
  const CommandSpec* spec;
  const ArgList& args;
  const NamespaceScope& scope;
  const bool whole;
  const uint32_t argc;  // of the whole request
  NamespacedRequest& out;
  bool unseen = false;  // a name stands where the arguments are not known

  void Mark(int64_t index) {
    if (index < 1 || index >= argc) return;
    if (index >= args.size()) {
      unseen = true;
    } else {
      out.positions.push_back(static_cast<uint32_t>(index));
    }
  }
  void MarkFrom(int64_t first) { MarkRange(first, int64_t{argc} - 1, 1); }
  // `last` inclusive.
  void MarkRange(int64_t first, int64_t last, int64_t step) {
    last = std::min(last, int64_t{argc} - 1);
    for (int64_t i = first; i <= last && !unseen; i += step) Mark(i);
  }
  uint32_t after_name() const { return spec->parent == nullptr ? 1 : 2; }
  bool Is(uint32_t index, std::string_view keyword) const {
    return IsKeyword(args[index], keyword);
  }

  void Refuse(NamespaceRefusal reason) { RefuseWith(NamespaceRefusalText(reason, spec->name)); }
  void RefuseWith(std::string text) {
    out.outcome = Outcome::kRefused;
    out.refusal = std::move(text);
  }
  // All arguments, with `inserted` before the one at `index`.
  void RewriteWith(uint32_t index, std::vector<std::string> inserted) {
    out.outcome = Outcome::kRewritten;
    out.args.reserve(args.size() + inserted.size());
    for (uint32_t i = 0; i < args.size(); ++i) {
      if (i == index) std::move(inserted.begin(), inserted.end(), std::back_inserter(out.args));
      out.args.emplace_back(args[i]);
    }
    if (index >= args.size()) {
      std::move(inserted.begin(), inserted.end(), std::back_inserter(out.args));
    }
  }
  std::string AnyName() const { return Concat(scope.prefix, "*"); }
};

// --- By key specs

bool IsPlain(const KeySpec& key) {
  if (key.begin_search != KeySpec::BeginSearch::kIndex || key.index < 1) return false;
  if (key.flags.Has(KeyFlag::kIncomplete) || key.key_step < 1) return false;
  if (key.find_keys == KeySpec::FindKeys::kRange) return key.last_key >= 0 || key.limit <= 1;
  return key.find_keys == KeySpec::FindKeys::kKeynum && key.keynum_idx >= 0 && key.first_key >= 1;
}

// How many keys a request says it has; nullopt: Redis will refuse the number.
std::optional<int64_t> KeyCount(const Asked& asked, std::string_view text) {
  int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, count);
  if (result.ec != std::errc() || result.ptr != end || count < 0) return std::nullopt;
  if (count == 0 && !asked.spec->flags.Has(CommandFlag::kNoMandatoryKeys)) return std::nullopt;
  return count;
}

void MarkCounted(Asked& asked, const KeySpec& key) {
  const int64_t count_at = int64_t{key.index} + key.keynum_idx;
  const int64_t first = int64_t{key.index} + key.first_key;
  if (count_at >= asked.argc) return;
  if (count_at >= asked.args.size()) {
    asked.unseen = true;
    return;
  }
  const auto count = KeyCount(asked, asked.args[static_cast<uint32_t>(count_at)]);
  // Malformed, so all that could be keys.
  if (!count || *count > asked.argc) return asked.MarkFrom(first);
  asked.MarkRange(first, first + (*count - 1) * key.key_step, key.key_step);
}

// What a server says that has no key specs.
void MarkLegacyRange(Asked& asked) {
  const CommandSpec& spec = *asked.spec;
  if (spec.first_key < 1) return asked.Refuse(NamespaceRefusal::kServer);
  if (spec.flags.Has(CommandFlag::kMovablekeys) || spec.step < 1) {
    return asked.Refuse(NamespaceRefusal::kUnknownKeys);
  }
  const int64_t last = spec.last_key < 0 ? int64_t{asked.argc} + spec.last_key : spec.last_key;
  asked.MarkRange(spec.first_key, last, spec.step);
}

void MarkKeys(Asked& asked) {
  const CommandSpec& spec = *asked.spec;
  if (!spec.has_key_specs) return MarkLegacyRange(asked);
  if (spec.key_specs.empty()) return asked.Refuse(NamespaceRefusal::kServer);
  for (const KeySpec& key : spec.key_specs) {
    if (!IsPlain(key)) return asked.Refuse(NamespaceRefusal::kUnknownKeys);
    if (key.find_keys == KeySpec::FindKeys::kKeynum) {
      MarkCounted(asked, key);
      continue;
    }
    const int64_t last =
        key.last_key < 0 ? int64_t{asked.argc} + key.last_key : int64_t{key.index} + key.last_key;
    asked.MarkRange(key.index, last, key.key_step);
  }
  const bool may_have_none = spec.flags.Has(CommandFlag::kNoMandatoryKeys);
  // Too few arguments, as Redis will say.
  if (asked.out.positions.empty() && !may_have_none) asked.MarkFrom(asked.after_name());
}

// --- By options
//
// Read as Redis reads them when it runs the command. Words that it does not know, for which it will
// refuse the request, are passed over: a newer server may know them.

void MarkSort(Asked& asked, bool may_store) {
  asked.Mark(1);
  for (uint32_t i = 2; i < asked.argc; ++i) {
    if (asked.Is(i, "limit")) {
      i += 2;
    } else if (asked.Is(i, "by") || asked.Is(i, "get")) {
      i += 1;
      // "#" is no pattern but the element itself.
      if (i < asked.argc && !asked.Is(i, "#")) asked.Mark(i);
    } else if (may_store && asked.Is(i, "store")) {
      i += 1;
      asked.Mark(i);
    }
  }
}

void MarkGeoRadius(Asked& asked, uint32_t first_option) {
  asked.Mark(1);
  for (uint32_t i = first_option; i < asked.argc; ++i) {
    if (asked.Is(i, "count")) {
      i += 1;
    } else if (asked.Is(i, "store") || asked.Is(i, "storedist")) {
      i += 1;
      asked.Mark(i);
    }
  }
}

void MarkStreams(Asked& asked) {
  for (uint32_t i = 1; i < asked.argc; ++i) {
    if (asked.Is(i, "block") || asked.Is(i, "count") || asked.Is(i, "claim")) {
      i += 1;
    } else if (asked.Is(i, "group")) {
      i += 2;
    } else if (asked.Is(i, "streams")) {
      const uint32_t after = asked.argc - i - 1;
      return asked.MarkRange(i + 1, int64_t{i} + (after + 1) / 2, 1);
    }
  }
}

// MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH p] [AUTH2 u p] [KEYS key …]
void MarkMigrate(Asked& asked) {
  constexpr uint32_t kKey = 3;
  for (uint32_t i = 6; i < asked.argc; ++i) {
    if (asked.Is(i, "auth")) {
      i += 1;
    } else if (asked.Is(i, "auth2")) {
      i += 2;
    } else if (asked.Is(i, "keys")) {
      if (!asked.args[kKey].empty()) asked.Mark(kKey);  // Redis will refuse it
      return asked.MarkFrom(i + 1);
    }
  }
  asked.Mark(kKey);
}

// SCAN cursor [MATCH p] [COUNT n] [TYPE t], the last MATCH counts.
void MarkScan(Asked& asked) {
  for (uint32_t i = 2; i < asked.argc; ++i) {
    if (asked.Is(i, "match")) {
      i += 1;
      asked.Mark(i);
    } else if (asked.Is(i, "count") || asked.Is(i, "type")) {
      i += 1;
    }
  }
  // First, so that whatever follows is read as it would have been without.
  if (asked.out.positions.empty() && asked.argc > 1) {
    asked.RewriteWith(2, {"MATCH", asked.AnyName()});
  }
}

// CLIENT TRACKING ON|OFF [REDIRECT id] [PREFIX p …] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
void MarkTracking(Asked& asked) {
  bool broadcast = false;
  for (uint32_t i = 3; i < asked.argc; ++i) {
    if (asked.Is(i, "redirect")) {
      i += 1;
    } else if (asked.Is(i, "prefix")) {
      i += 1;
      asked.Mark(i);
    } else if (asked.Is(i, "bcast")) {
      broadcast = true;
    }
  }
  if (broadcast && asked.out.positions.empty()) {
    asked.RewriteWith(3, {"PREFIX", std::string(asked.scope.prefix)});
  }
}

// --- One by one

void AskDbsize(Asked& asked) {
  if (asked.argc != 1) {
    return asked.RefuseWith(ErrorText(RedisError::kWrongArgCount, asked.spec->name));
  }
  asked.out.outcome = Outcome::kRewritten;
  asked.out.args = {"KEYS", asked.AnyName()};
}

void AskFlush(Asked& asked, FlushScope scope) {
  const bool sync = asked.argc == 2 && asked.Is(1, "sync");
  if (asked.argc > 2 || (asked.argc == 2 && !sync && !asked.Is(1, "async"))) {
    return asked.RefuseWith(ErrorText(RedisError::kSyntax));
  }
  if (asked.scope.cluster) return asked.Refuse(NamespaceRefusal::kCluster);
  asked.out.outcome = Outcome::kRewritten;
  asked.out.args =
      FlushRequest(scope, sync ? FlushFrees::kAtOnce : FlushFrees::kLater, asked.scope.prefix);
}

void AskChannels(Asked& asked) {
  if (asked.argc == 2) return asked.RewriteWith(2, {asked.AnyName()});
  asked.MarkFrom(2);
}

// Tokens are a namespace's own: otherwise one could learn which of them others have used.
void AskIdem(Asked& asked) {
  const uint32_t within = IdemOwnArgs(asked.args);
  if (within >= asked.args.size()) {
    // Of a whole request, the plugin idempotency says what is wrong.
    return asked.whole ? void() : asked.Refuse(NamespaceRefusal::kTooLarge);
  }
  const ArgList inner = asked.args.Tail(within);
  const CommandEntry* const entry =
      asked.scope.routing == nullptr ? nullptr : asked.scope.routing->Resolve(inner);
  const bool again = IsIdemCommand(inner[0]);
  if (asked.scope.routing == nullptr || again) return asked.Refuse(NamespaceRefusal::kServer);
  NamespacedRequest request = PutOn(entry, inner, asked.scope, asked.whole, asked.argc - within);
  const bool has_token = !asked.args[1].empty();
  if (request.outcome == Outcome::kRefused) {
    asked.out = std::move(request);
  } else if (request.outcome == Outcome::kRewritten) {
    asked.out.outcome = Outcome::kRewritten;
    for (uint32_t i = 0; i < within; ++i) {
      asked.out.args.push_back(
          Concat(i == 1 && has_token ? asked.scope.prefix : "", asked.args[i]));
    }
    std::move(request.args.begin(), request.args.end(), std::back_inserter(asked.out.args));
  } else {
    if (has_token) asked.Mark(1);
    for (const uint32_t position : request.positions) asked.Mark(int64_t{within} + position);
  }
  asked.out.reply = request.reply;
}

void AskLimit(Asked& asked) {
  const bool reset = asked.argc == 3 && EqualsIgnoreCase(asked.args[1], "reset");
  asked.Mark(reset ? 2 : 1);
}

void AskDebug(Asked& asked) {
  if (asked.argc < 3 || !asked.Is(1, "object")) return asked.Refuse(NamespaceRefusal::kServer);
  asked.Mark(2);
}

// Whether the rule must see all arguments.
bool NeedsAll(NamespaceWay way) {
  switch (way) {
    case NamespaceWay::kPass:
    case NamespaceWay::kRefuse:
    case NamespaceWay::kKeys:
    case NamespaceWay::kScript:
    case NamespaceWay::kScriptText:
    case NamespaceWay::kArgument1:
    case NamespaceWay::kArgument2:
    case NamespaceWay::kIdem:
      return false;
    default:
      return true;
  }
}

void Ask(Asked& asked, NamespaceRule rule) {
  if (!asked.whole && NeedsAll(rule.way)) return asked.Refuse(NamespaceRefusal::kTooLarge);
  switch (rule.way) {
    case NamespaceWay::kRefuse:
      return asked.Refuse(rule.refusal);
    case NamespaceWay::kKeys:
      return MarkKeys(asked);
    case NamespaceWay::kPass:
      return;
    case NamespaceWay::kArgument1:
      return asked.Mark(1);
    case NamespaceWay::kArgument2:
      return asked.Mark(2);
    case NamespaceWay::kFrom1:
      // RESP2 clients' invalidations come here, and each names its own keys.
      if (asked.argc == 2 && asked.whole && asked.args[1] == "__redis__:invalidate") return;
      return asked.MarkFrom(1);
    case NamespaceWay::kFrom2:
      return asked.MarkFrom(2);
    case NamespaceWay::kChannels:
      return AskChannels(asked);
    case NamespaceWay::kScan:
      return MarkScan(asked);
    case NamespaceWay::kDbsize:
      return AskDbsize(asked);
    case NamespaceWay::kFlushdb:
      return AskFlush(asked, FlushScope::kDb);
    case NamespaceWay::kFlushall:
      return AskFlush(asked, FlushScope::kAllDbs);
    case NamespaceWay::kSort:
      return MarkSort(asked, true);
    case NamespaceWay::kSortRo:
      return MarkSort(asked, false);
    case NamespaceWay::kGeoRadius:
      return MarkGeoRadius(asked, 6);
    case NamespaceWay::kGeoRadiusByMember:
      return MarkGeoRadius(asked, 5);
    case NamespaceWay::kStreams:
      return MarkStreams(asked);
    case NamespaceWay::kMigrate:
      return MarkMigrate(asked);
    case NamespaceWay::kDebug:
      return AskDebug(asked);
    case NamespaceWay::kTracking:
      return MarkTracking(asked);
    case NamespaceWay::kScript:
      return asked.scope.scripts ? MarkKeys(asked) : asked.Refuse(NamespaceRefusal::kScripts);
    case NamespaceWay::kScriptText:
      if (!asked.scope.scripts) asked.Refuse(NamespaceRefusal::kScripts);
      return;
    case NamespaceWay::kIdem:
      return AskIdem(asked);
    case NamespaceWay::kLimit:
      return AskLimit(asked);
  }
}

std::string UnknownCommand(const ArgList& args) {
  std::vector<std::string_view> quoted;
  for (uint32_t i = 0; i < std::min(args.size(), kQuotedArgsMax); ++i) quoted.push_back(args[i]);
  return UnknownCommandText(quoted);
}

// A container by itself, or with a subcommand that it does not have.
void AskContainer(Asked& asked) {
  const bool alone = asked.argc == 1;
  asked.RefuseWith(alone ? ErrorText(RedisError::kWrongArgCount, asked.spec->name)
                         : ErrorText(RedisError::kUnknownSubcommand, asked.args[1], asked.args[0]));
}

NamespacedRequest PutOnSlowly(NamespaceRule rule, const CommandEntry* entry, const ArgList& args,
                              const NamespaceScope& scope, bool whole, uint32_t argc_total) {
  NamespacedRequest out;
  Asked asked = {entry, entry == nullptr ? nullptr : entry->spec, args, scope, whole, argc_total,
                 out};
  const bool local = entry != nullptr && entry->handling == Handling::kLocal;
  if (asked.spec == nullptr) {
    // Of names with a NUL byte and the like, weir itself says what Redis would.
    if (!local) asked.RefuseWith(UnknownCommand(args));
    return out;
  }
  if (entry->handling == Handling::kDenied) {
    asked.RefuseWith(entry->error);
    return out;
  }
  asked.out.reply = rule.reply;
  const bool container = !asked.spec->subcommands.empty();
  if (container && !local) {
    AskContainer(asked);
  } else if (!container) {
    Ask(asked, rule);
  }
  if (asked.unseen) asked.Refuse(NamespaceRefusal::kTooLarge);
  if (out.outcome == Outcome::kPass && !out.positions.empty()) {
    out.outcome = Outcome::kPrefixed;
    std::sort(out.positions.begin(), out.positions.end());
    out.positions.erase(std::unique(out.positions.begin(), out.positions.end()),
                        out.positions.end());
  }
  if (out.outcome != Outcome::kPrefixed) out.positions.clear();
  if (out.outcome == Outcome::kRefused) out.reply = NamespaceReply::kAsIs;
  return out;
}

}  // namespace

bool IsNamespacePrefix(std::string_view prefix) {
  constexpr std::string_view kPatternBytes = "{}*?[]\\^";
  return !prefix.empty() && std::none_of(prefix.begin(), prefix.end(), [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte == 0x7f || kPatternBytes.find(c) != std::string_view::npos;
  });
}

NamespacedRequest PutOn(NamespaceRule rule, const CommandEntry* entry, const ArgList& args,
                        const NamespaceScope& scope, bool whole, uint32_t argc_total) {
  // Most commands have one key at a fixed place.
  const bool one_key = entry != nullptr && entry->only_key != 0 &&
                       rule.way == NamespaceWay::kKeys && entry->handling != Handling::kDenied;
  if (one_key && entry->only_key < args.size()) [[likely]] {
    NamespacedRequest request;
    request.outcome = Outcome::kPrefixed;
    request.reply = rule.reply;
    request.positions.push_back(entry->only_key);
    return request;
  }
  return PutOnSlowly(rule, entry, args, scope, whole, argc_total);
}

NamespacedRequest PutOn(const CommandEntry* entry, const ArgList& args, const NamespaceScope& scope,
                        bool whole, uint32_t argc_total) {
  const bool known = entry != nullptr && entry->spec != nullptr;
  return PutOn(known ? RuleOfNamespace(*entry->spec) : NamespaceRule{}, entry, args, scope, whole,
               argc_total);
}

std::string NamespaceRefusalText(NamespaceRefusal reason, std::string_view command) {
  struct Words {
    std::string_view reason, why;
  };
  constexpr Words kWords[] = {
      {"server", "it concerns more than this client's namespace; a client without one may send it"},
      {"unknown_keys",
       "weir cannot know all keys that it uses; a client without a namespace may "
       "send it"},
      {"scripts",
       "a script may use keys that it does not declare; the namespace's "
       "scripts = \"declared_keys\" allows scripts"},
      {"cluster",
       "on a cluster it cannot be done for one namespace; SCAN the keys and UNLINK them"},
      {"too_large", "it is too large for weir to see all its keys; send it in smaller parts"},
  };
  const Words& words = kWords[static_cast<size_t>(reason)];
  return Concat("-NONAMESPACE command=", command, " reason=", words.reason, " weir: ", words.why);
}

}  // namespace weir
