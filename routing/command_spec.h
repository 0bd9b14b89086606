// CommandSpec: what Redis' COMMAND says of one command or subcommand.
//
// Names, orders and meanings are those of https://redis.io/commands/command and
// https://redis.io/docs/reference/key-specs; enumerators stand in the order in which Redis 7.0
// writes them, so that a spec can be written back as the bytes that it was read from.
#ifndef WEIR_ROUTING_COMMAND_SPEC_H_
#define WEIR_ROUTING_COMMAND_SPEC_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

// A set of enumerators of E, all below 64.
template <typename E>
class EnumSet {
 public:
  constexpr EnumSet() = default;
  constexpr EnumSet(std::initializer_list<E> members) {
    for (E member : members) Add(member);
  }
  constexpr void Add(E member) { bits_ |= Bit(member); }
  constexpr void Remove(E member) { bits_ &= ~Bit(member); }
  constexpr bool Has(E member) const { return (bits_ & Bit(member)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr uint64_t bits() const { return bits_; }
  friend constexpr bool operator==(EnumSet, EnumSet) = default;

 private:
  static constexpr uint64_t Bit(E member) { return uint64_t{1} << static_cast<unsigned>(member); }
  uint64_t bits_ = 0;
};

// Redis' command flags. Names: CommandFlagName().
enum class CommandFlag : uint8_t {
  kWrite,
  kReadonly,
  kDenyoom,
  kModule,
  kAdmin,
  kPubsub,
  kNoscript,
  kBlocking,
  kLoading,
  kStale,
  kSkipMonitor,
  kSkipSlowlog,
  kAsking,
  kFast,
  kNoAuth,
  kMayReplicate,
  kNoMandatoryKeys,
  kNoAsyncLoading,
  kNoMulti,
  kMovablekeys,
  kAllowBusy,
  kRandom,
  kSortForScript,  // Redis 6.2 and older
};
inline constexpr int kCommandFlagCount = 23;
using CommandFlags = EnumSet<CommandFlag>;
std::string_view CommandFlagName(CommandFlag flag);  // "write"

// How a command uses the keys of one key spec. Names: KeyFlagName().
enum class KeyFlag : uint8_t {
  kReadOnly,
  kReadWrite,
  kOverwrite,
  kRemove,  // RO RW OW RM
  kAccess,
  kUpdate,
  kInsert,
  kDelete,
  kNotKey,         // looks like a key (same slot rules), but names none: shard channels
  kIncomplete,     // there may be more keys than the spec finds
  kVariableFlags,  // the true flags depend on the arguments
};
inline constexpr int kKeyFlagCount = 11;
using KeyFlags = EnumSet<KeyFlag>;
std::string_view KeyFlagName(KeyFlag flag);  // "RO", "access"

// Where a command's keys stand: first find where they begin, then which arguments they are.
struct KeySpec {
  enum class BeginSearch : uint8_t { kUnknown, kIndex, kKeyword };
  enum class FindKeys : uint8_t { kUnknown, kRange, kKeynum };

  std::string notes;
  KeyFlags flags;
  BeginSearch begin_search = BeginSearch::kUnknown;
  int index = 0;        // kIndex: argument where keys begin
  std::string keyword;  // kKeyword: they begin after this word, any case
  int start_from = 0;   // kKeyword: search from this argument; negative: backwards, from the end
  FindKeys find_keys = FindKeys::kUnknown;
  int last_key = 0;    // kRange: relative to the first; negative: from the end of the arguments
  int key_step = 1;    // both
  int limit = 0;       // kRange with last_key -1: keys are the first 1/limit of what follows
  int keynum_idx = 0;  // kKeynum: argument (relative) that holds the number of keys
  int first_key = 0;   // kKeynum: first key (relative)
};

// https://redis.io/docs/reference/command-tips: to which nodes a proxy sends it, how it merges
// replies.
enum class RequestPolicy : uint8_t { kNone, kAllNodes, kAllShards, kMultiShard, kSpecial };
enum class ResponsePolicy : uint8_t {
  kNone,
  kOneSucceeded,
  kAllSucceeded,
  kAggLogicalAnd,
  kAggLogicalOr,
  kAggMin,
  kAggMax,
  kAggSum,
  kSpecial,
};
inline constexpr int kRequestPolicyCount = 5;
inline constexpr int kResponsePolicyCount = 9;
std::string_view RequestPolicyName(RequestPolicy policy);    // "all_shards"; "" for kNone
std::string_view ResponsePolicyName(ResponsePolicy policy);  // "agg_sum"; "" for kNone

// Redis' 21 ACL categories. Names: AclCategoryName().
enum class AclCategory : uint8_t {
  kKeyspace,
  kRead,
  kWrite,
  kSet,
  kSortedset,
  kList,
  kHash,
  kString,
  kBitmap,
  kHyperloglog,
  kGeo,
  kStream,
  kPubsub,
  kAdmin,
  kFast,
  kSlow,
  kBlocking,
  kDangerous,
  kConnection,
  kTransaction,
  kScripting,
};
inline constexpr int kAclCategoryCount = 21;
using AclCategories = EnumSet<AclCategory>;
std::string_view AclCategoryName(AclCategory category);  // "keyspace", without the @

// Owned by its CommandTable, immutable, valid as long as that table.
struct CommandSpec {
  std::string name;                     // as Redis writes it, lower case: "get", "config|set"
  const CommandSpec* parent = nullptr;  // of a subcommand
  std::vector<const CommandSpec*> subcommands;  // of a container; in the server's order
  int arity = 0;  // arguments with the command's name(s); negative: at least that many
  CommandFlags flags;
  std::vector<std::string> other_flags;       // flags this table has no name for
  int first_key = 0, last_key = 0, step = 0;  // legacy range; 0 0 0: no keys
  AclCategories categories;
  std::vector<std::string> other_categories;  // categories of modules and newer servers, without @
  std::vector<std::string> tips;              // all of them, verbatim
  RequestPolicy request_policy = RequestPolicy::kNone;
  ResponsePolicy response_policy = ResponsePolicy::kNone;
  std::vector<KeySpec> key_specs;
  bool has_key_specs = false;  // false: an older server's entry, only the legacy range is known
  bool absent = false;         // built in, but the server lacks it: only its id is kept
  uint16_t id = 0;             // dense within one table: 0 .. table.size() - 1

  // "set" of "config|set"; the name itself for a command.
  std::string_view own_name() const {
    return parent == nullptr ? std::string_view(name)
                             : std::string_view(name).substr(parent->name.size() + 1);
  }
  // Whether Redis would take `argc` arguments, the command's name(s) among them.
  bool ArityAllows(uint32_t argc) const {
    return arity >= 0 ? argc == static_cast<uint32_t>(arity)
                      : argc >= static_cast<uint32_t>(-arity);
  }
  bool InCategory(std::string_view category) const;  // "dangerous" or a module's; any case
};

}  // namespace weir

#endif  // WEIR_ROUTING_COMMAND_SPEC_H_
