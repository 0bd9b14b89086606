#include "routing/keys.h"

#include <charconv>
#include <string_view>

#include "routing/text.h"

namespace weir {
namespace {

// Where a spec's keys begin; 0: nowhere, the keyword is absent. REQUIRES: a known begin_search.
uint32_t BeginOfKeys(const KeySpec& spec, const ArgList& args) {
  if (spec.begin_search == KeySpec::BeginSearch::kIndex) return static_cast<uint32_t>(spec.index);
  const int64_t argc = args.size();
  const bool forward = spec.start_from > 0;
  const int64_t step = forward ? 1 : -1;
  // Redis searches forward up to but not including the last argument, backward down to the second.
  const int64_t end = forward ? argc - 1 : 1;
  int64_t i = forward ? spec.start_from : argc + spec.start_from;
  for (; i >= 1 && i < argc && i != end; i += step) {
    if (IsKeyword(args[static_cast<uint32_t>(i)], spec.keyword)) {
      return static_cast<uint32_t>(i + 1);
    }
  }
  return 0;
}

bool ParseCount(std::string_view text, int64_t* count) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *count);
  return result.ec == std::errc() && result.ptr == end && *count >= 0;
}

struct KeyRange {
  int64_t first;
  int64_t last;  // inclusive; before `first`: no keys
};

// The keys that the spec finds from `first` on; false for malformed arguments.
bool RangeOfKeys(const KeySpec& spec, const ArgList& args, int64_t first, KeyRange* range) {
  const int64_t argc = args.size();
  if (spec.find_keys == KeySpec::FindKeys::kRange) {
    int64_t last = first + spec.last_key;
    if (spec.last_key < 0) {
      last = spec.limit == 0 ? argc + spec.last_key
                             : first + (argc - first) / spec.limit + spec.last_key;
    }
    *range = {first, last};
    return first < argc && last < argc && last >= first;
  }
  const int64_t count_at = first + spec.keynum_idx;
  int64_t count = 0;
  if (count_at >= argc || !ParseCount(args[static_cast<uint32_t>(count_at)], &count)) return false;
  first += spec.first_key;
  if (count > argc - first) return false;
  *range = {first, first + count - 1};
  return true;
}

enum class Collect : uint8_t { kKeys, kKeysAndChannels };

// By key specs alone. false: they do not suffice, or the arguments are malformed.
bool FindBySpecs(const CommandSpec& command, const ArgList& args, Collect collect,
                 KeyPositions* positions) {
  for (const KeySpec& spec : command.key_specs) {
    if (spec.flags.Has(KeyFlag::kNotKey) && collect == Collect::kKeys) continue;
    if (spec.begin_search == KeySpec::BeginSearch::kUnknown ||
        spec.find_keys == KeySpec::FindKeys::kUnknown) {
      return false;
    }
    const uint32_t begin = BeginOfKeys(spec, args);
    if (begin == 0) continue;
    KeyRange range{};
    if (!RangeOfKeys(spec, args, begin, &range)) return false;
    // Zero keys are an error unless the command can do without, as EVAL can.
    if (range.last < range.first && !command.flags.Has(CommandFlag::kNoMandatoryKeys)) return false;
    for (int64_t i = range.first; i <= range.last; i += spec.key_step) {
      positions->push_back({static_cast<uint32_t>(i), spec.flags});
    }
    if (spec.flags.Has(KeyFlag::kIncomplete)) return false;
  }
  return true;
}

// What a server older than 7.0 says: a first key, a last one (negative: from the end) and a step.
KeysFound FindByLegacyRange(const CommandSpec& spec, const ArgList& args, KeyPositions* positions) {
  const bool movable = spec.flags.Has(CommandFlag::kMovablekeys);
  const int64_t argc = args.size();
  const int64_t last = spec.last_key < 0 ? argc + spec.last_key : spec.last_key;
  if (spec.first_key > 0 && spec.step > 0) {
    for (int64_t i = spec.first_key; i <= last; i += spec.step) {
      if (i >= argc) {
        positions->clear();
        return KeysFound::kInvalid;
      }
      positions->push_back({static_cast<uint32_t>(i), {}});
    }
  }
  return movable ? KeysFound::kPartial : KeysFound::kAll;
}

// --- What key specs cannot say
// ---------------------------------------------------------------------

constexpr KeyFlags kReads = {KeyFlag::kReadOnly, KeyFlag::kAccess};
constexpr KeyFlags kOverwrites = {KeyFlag::kOverwrite, KeyFlag::kUpdate};
constexpr KeyFlags kReadsAndUpdates = {KeyFlag::kReadWrite, KeyFlag::kAccess, KeyFlag::kUpdate};
constexpr KeyFlags kReadsAndDeletes = {KeyFlag::kReadWrite, KeyFlag::kAccess, KeyFlag::kDelete};

// SORT key [BY p] [LIMIT a b] [GET p …] … [STORE dest]: the last STORE counts; BY and GET name keys
// after what the list holds.
KeysFound FindOfSort(const ArgList& args, KeyPositions* positions) {
  positions->push_back({1, kReads});
  KeysFound found = KeysFound::kAll;
  uint32_t store = 0;
  for (uint32_t i = 2; i < args.size(); ++i) {
    if (IsKeyword(args[i], "limit")) {
      i += 2;
    } else if (IsKeyword(args[i], "get") || IsKeyword(args[i], "by")) {
      i += 1;
      found = KeysFound::kPartial;
    } else if (IsKeyword(args[i], "store") && i + 1 < args.size()) {
      store = i + 1;
    }
  }
  if (store != 0) positions->push_back({store, kOverwrites});
  return found;
}

KeysFound FindOfSortRo(const ArgList& args, KeyPositions* positions) {
  const KeysFound found = FindOfSort(args, positions);
  positions->resize(1);
  return found;
}

// MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH p] [AUTH2 u p] [KEYS key …]
KeysFound FindOfMigrate(const ArgList& args, KeyPositions* positions) {
  uint32_t first = 3;
  uint32_t end = 4;
  for (uint32_t i = 6; i < args.size(); ++i) {
    if (IsKeyword(args[i], "keys")) {
      if (!args[3].empty()) return KeysFound::kInvalid;
      first = i + 1;
      end = args.size();
      break;
    }
    if (IsKeyword(args[i], "auth")) {
      i += 1;
    } else if (IsKeyword(args[i], "auth2")) {
      i += 2;
    }
  }
  for (uint32_t i = first; i < end; ++i) positions->push_back({i, kReadsAndDeletes});
  return positions->empty() ? KeysFound::kInvalid : KeysFound::kAll;
}

// SET key value […]: with GET it also reads.
KeysFound FindOfSet(const ArgList& args, KeyPositions* positions) {
  KeyFlags flags = kOverwrites;
  for (uint32_t i = 3; i < args.size(); ++i) {
    if (IsKeyword(args[i], "get")) flags = kReadsAndUpdates;
  }
  positions->push_back({1, flags});
  return KeysFound::kAll;
}

// BITFIELD key […]: only reads if all it has are whole GETs and OVERFLOWs.
KeysFound FindOfBitfield(const ArgList& args, KeyPositions* positions) {
  KeyFlags flags = kReads;
  for (uint32_t i = 2; i < args.size() && flags == kReads; ++i) {
    const uint32_t after = args.size() - i - 1;
    if (IsKeyword(args[i], "get") && after >= 2) {
      i += 2;
    } else if (IsKeyword(args[i], "overflow") && after >= 1) {
      i += 1;
    } else {
      flags = kReadsAndUpdates;
    }
  }
  positions->push_back({1, flags});
  return KeysFound::kAll;
}

// XREADGROUP with STREAMS before where its key spec looks: read like its options. Redis will refuse
// the request, but says of it that it has keys, with no flags.
KeysFound FindOfXread(const ArgList& args, KeyPositions* positions) {
  for (uint32_t i = 1; i < args.size(); ++i) {
    if (IsKeyword(args[i], "block") || IsKeyword(args[i], "count")) {
      i += 1;
    } else if (IsKeyword(args[i], "group")) {
      i += 2;
    } else if (IsKeyword(args[i], "streams")) {
      const uint32_t after = args.size() - i - 1;
      if (after == 0 || after % 2 != 0) return KeysFound::kInvalid;
      for (uint32_t key = i + 1; key <= i + after / 2; ++key) positions->push_back({key, {}});
      return KeysFound::kAll;
    } else if (!IsKeyword(args[i], "noack")) {
      break;
    }
  }
  return KeysFound::kInvalid;
}

struct Exception {
  std::string_view command;
  uint32_t argc_min;  // Redis' own arity: another server may claim less, and `find` relies on it
  KeysFound (*find)(const ArgList& args, KeyPositions* positions);
};
constexpr Exception kExceptions[] = {
    {"set", 3, FindOfSet},         {"sort", 2, FindOfSort},   {"bitfield", 2, FindOfBitfield},
    {"sort_ro", 2, FindOfSortRo},  {"xread", 4, FindOfXread}, {"xreadgroup", 7, FindOfXread},
    {"migrate", 6, FindOfMigrate},
};

bool AnySpecHas(const CommandSpec& command, KeyFlag flag) {
  for (const KeySpec& spec : command.key_specs) {
    if (spec.flags.Has(flag)) return true;
  }
  return false;
}

KeysFound Find(const CommandSpec& spec, const ArgList& args, Collect collect,
               KeyPositions* positions) {
  positions->clear();
  if (!spec.ArityAllows(args.size())) return KeysFound::kInvalid;
  if (!spec.has_key_specs) return FindByLegacyRange(spec, args, positions);
  const bool variable = AnySpecHas(spec, KeyFlag::kVariableFlags);
  if (!variable && FindBySpecs(spec, args, collect, positions)) {
    // XREAD without STREAMS: no spec failed, but a command that must have keys has none.
    const bool may_have_none = spec.flags.Has(CommandFlag::kNoMandatoryKeys) || !MayHaveKeys(spec);
    return positions->empty() && !may_have_none ? KeysFound::kInvalid : KeysFound::kAll;
  }
  for (const Exception& exception : kExceptions) {
    if (exception.command != spec.name) continue;
    positions->clear();
    return args.size() < exception.argc_min ? KeysFound::kInvalid : exception.find(args, positions);
  }
  // A newer command or a module's: its specs are all that there is to go by.
  if (variable && FindBySpecs(spec, args, collect, positions)) return KeysFound::kAll;
  if (!positions->empty() && AnySpecHas(spec, KeyFlag::kIncomplete)) return KeysFound::kPartial;
  positions->clear();
  return KeysFound::kInvalid;
}

}  // namespace

KeysFound FindKeys(const CommandSpec& spec, const ArgList& args, KeyPositions* positions) {
  return Find(spec, args, Collect::kKeys, positions);
}

KeysFound FindSlotArguments(const CommandSpec& spec, const ArgList& args, KeyPositions* positions) {
  return Find(spec, args, Collect::kKeysAndChannels, positions);
}

bool MayHaveKeys(const CommandSpec& spec) {
  if (!spec.has_key_specs) {
    return spec.first_key > 0 || spec.flags.Has(CommandFlag::kMovablekeys);
  }
  for (const KeySpec& key_spec : spec.key_specs) {
    if (!key_spec.flags.Has(KeyFlag::kNotKey)) return true;
  }
  return false;
}

}  // namespace weir
