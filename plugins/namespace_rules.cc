#include "plugins/namespace_rules.h"

#include <algorithm>
#include <iterator>

namespace weir {
namespace {

using Way = NamespaceWay;
using Names = NamespaceReply;

struct Row {
  std::string_view command;
  NamespaceWay way;
  NamespaceReply reply = NamespaceReply::kAsIs;
};

// What is not simply "the prefix before the keys that its key specs name, and none in the reply".
// In alphabetical order.
constexpr Row kRows[] = {
    {"acl|cat", Way::kPass},
    {"acl|genpass", Way::kPass},
    {"acl|help", Way::kPass},
    {"acl|whoami", Way::kPass},
    {"asking", Way::kPass},
    {"auth", Way::kPass},
    {"blmpop", Way::kKeys, Names::kFirst},
    {"blpop", Way::kKeys, Names::kFirst},
    {"brpop", Way::kKeys, Names::kFirst},
    {"bzmpop", Way::kKeys, Names::kFirst},
    {"bzpopmax", Way::kKeys, Names::kFirst},
    {"bzpopmin", Way::kKeys, Names::kFirst},
    {"client|caching", Way::kPass},
    {"client|capa", Way::kPass},
    {"client|getname", Way::kPass},
    {"client|getredir", Way::kPass},
    {"client|help", Way::kPass},
    {"client|id", Way::kPass},
    {"client|info", Way::kPass},
    {"client|no-touch", Way::kPass},
    {"client|reply", Way::kPass},
    {"client|setinfo", Way::kPass},
    {"client|setname", Way::kPass},
    {"client|tracking", Way::kTracking, Names::kErrors},
    {"client|trackinginfo", Way::kPass, Names::kTrackingInfo},
    {"cluster|help", Way::kPass},
    {"cluster|info", Way::kPass},
    {"cluster|keyslot", Way::kArgument2},
    {"cluster|myid", Way::kPass},
    {"cluster|myshardid", Way::kPass},
    {"cluster|nodes", Way::kPass},
    {"cluster|shards", Way::kPass},
    {"cluster|slots", Way::kPass},
    {"command", Way::kPass},
    {"command|count", Way::kPass},
    {"command|docs", Way::kPass},
    {"command|getkeys", Way::kPass},
    {"command|getkeysandflags", Way::kPass},
    {"command|help", Way::kPass},
    {"command|info", Way::kPass},
    {"command|list", Way::kPass},
    {"config|help", Way::kPass},
    {"dbsize", Way::kDbsize, Names::kCount},
    {"debug", Way::kDebug},
    {"discard", Way::kPass},
    {"echo", Way::kPass},
    {"eval", Way::kScript},
    {"eval_ro", Way::kScript},
    {"evalsha", Way::kScript},
    {"evalsha_ro", Way::kScript},
    {"exec", Way::kPass},
    {"fcall", Way::kScript},
    {"fcall_ro", Way::kScript},
    {"flushall", Way::kFlushall},
    {"flushdb", Way::kFlushdb},
    {"function|help", Way::kPass},
    {"georadius", Way::kGeoRadius},
    {"georadiusbymember", Way::kGeoRadiusByMember},
    {"hello", Way::kPass},
    {"info", Way::kPass, Names::kInfo},
    {"keys", Way::kArgument1, Names::kNames},
    {"latency|help", Way::kPass},
    {"lmpop", Way::kKeys, Names::kFirst},
    {"lolwut", Way::kPass},
    {"memory|help", Way::kPass},
    {"migrate", Way::kMigrate},
    {"module|help", Way::kPass},
    {"multi", Way::kPass},
    {"object|help", Way::kPass},
    {"ping", Way::kPass},
    {"psubscribe", Way::kFrom1, Names::kPush},
    {"publish", Way::kArgument1},
    {"pubsub|channels", Way::kChannels, Names::kNames},
    {"pubsub|help", Way::kPass},
    {"pubsub|numsub", Way::kFrom2, Names::kPairs},
    {"pubsub|shardchannels", Way::kChannels, Names::kNames},
    {"pubsub|shardnumsub", Way::kFrom2, Names::kPairs},
    {"punsubscribe", Way::kFrom1, Names::kPush},
    {"quit", Way::kPass},
    {"randomkey", Way::kDbsize, Names::kOneOf},
    {"readonly", Way::kPass},
    {"readwrite", Way::kPass},
    {"reset", Way::kPass},
    {"role", Way::kPass},
    {"scan", Way::kScan, Names::kScan},
    {"script|exists", Way::kScriptText},
    {"script|help", Way::kPass},
    {"script|load", Way::kScriptText},
    {"select", Way::kPass},
    {"slowlog|help", Way::kPass},
    {"sort", Way::kSort},
    {"sort_ro", Way::kSortRo},
    {"spublish", Way::kArgument1},
    {"ssubscribe", Way::kFrom1, Names::kPush},
    {"subscribe", Way::kFrom1, Names::kPush},
    {"sunsubscribe", Way::kFrom1, Names::kPush},
    {"time", Way::kPass},
    {"unsubscribe", Way::kFrom1, Names::kPush},
    {"unwatch", Way::kPass},
    {"wait", Way::kPass},
    {"waitaof", Way::kPass},
    {"weir.idem", Way::kIdem},
    {"weir.limit", Way::kLimit},
    {"weir|explain", Way::kPass},
    {"weir|health", Way::kPass},
    {"weir|help", Way::kPass},
    {"xautoclaim", Way::kKeys, Names::kErrors},
    {"xclaim", Way::kKeys, Names::kErrors},
    {"xgroup|create", Way::kKeys, Names::kErrors},
    {"xgroup|createconsumer", Way::kKeys, Names::kErrors},
    {"xgroup|delconsumer", Way::kKeys, Names::kErrors},
    {"xgroup|destroy", Way::kKeys, Names::kErrors},
    {"xgroup|help", Way::kPass},
    {"xgroup|setid", Way::kKeys, Names::kErrors},
    {"xinfo|consumers", Way::kKeys, Names::kErrors},
    {"xinfo|help", Way::kPass},
    {"xpending", Way::kKeys, Names::kErrors},
    {"xread", Way::kStreams, Names::kStreams},
    {"xreadgroup", Way::kStreams, Names::kStreams},
    {"zmpop", Way::kKeys, Names::kFirst},
};
static_assert(std::is_sorted(std::begin(kRows), std::end(kRows),
                             [](const Row& a, const Row& b) { return a.command < b.command; }));

// What a module says of its keys is not always all (CMS.MERGE has named its target only), and some
// reach what they name no key of (FT.SEARCH finds other keys, TS.MRANGE series by their labels). So
// of modules only these pass, whose one key comes first. In alphabetical order.
constexpr std::string_view kOfModules[] = {
    "bf.add",         "bf.card",        "bf.exists",
    "bf.info",        "bf.insert",      "bf.loadchunk",
    "bf.madd",        "bf.mexists",     "bf.reserve",
    "bf.scandump",    "cf.add",         "cf.addnx",
    "cf.count",       "cf.del",         "cf.exists",
    "cf.info",        "cf.insert",      "cf.insertnx",
    "cf.loadchunk",   "cf.mexists",     "cf.reserve",
    "cf.scandump",    "cms.incrby",     "cms.info",
    "cms.initbydim",  "cms.initbyprob", "cms.query",
    "json.arrappend", "json.arrindex",  "json.arrinsert",
    "json.arrlen",    "json.arrpop",    "json.arrtrim",
    "json.clear",     "json.del",       "json.forget",
    "json.get",       "json.merge",     "json.numincrby",
    "json.nummultby", "json.objkeys",   "json.objlen",
    "json.resp",      "json.set",       "json.strappend",
    "json.strlen",    "json.toggle",    "json.type",
    "tdigest.add",    "tdigest.byrank", "tdigest.byrevrank",
    "tdigest.cdf",    "tdigest.create", "tdigest.info",
    "tdigest.max",    "tdigest.min",    "tdigest.quantile",
    "tdigest.rank",   "tdigest.reset",  "tdigest.revrank",
    "topk.add",       "topk.count",     "topk.incrby",
    "topk.info",      "topk.list",      "topk.query",
    "topk.reserve",   "vadd",           "vcard",
    "vdim",           "vemb",           "vgetattr",
    "vinfo",          "vismember",      "vlinks",
    "vrandmember",    "vrem",           "vsetattr",
    "vsim",
};
static_assert(std::is_sorted(std::begin(kOfModules), std::end(kOfModules)));

bool IsWeirs(std::string_view name) { return name.starts_with("weir"); }

}  // namespace

NamespaceRule RuleOfNamespace(const CommandSpec& spec) {
  const std::string_view name = spec.name;
  if (spec.flags.Has(CommandFlag::kModule)) {
    if (std::binary_search(std::begin(kOfModules), std::end(kOfModules), name)) {
      return {.way = Way::kArgument1};
    }
    return {.way = Way::kRefuse, .refusal = NamespaceRefusal::kUnknownKeys};
  }
  const Row* const row = std::lower_bound(
      std::begin(kRows), std::end(kRows), name,
      [](const Row& candidate, std::string_view wanted) { return candidate.command < wanted; });
  if (row != std::end(kRows) && row->command == name) return {.way = row->way, .reply = row->reply};
  if (IsWeirs(name)) return {.way = Way::kRefuse};
  return {.way = Way::kKeys};
}

NamespaceRule NamespaceRules::Learn(const CommandSpec& spec) {
  if (spec.id >= known_.size()) known_.resize(size_t{spec.id} + 1);
  Known& known = known_[spec.id];
  known = {.name = spec.name,
           .module = spec.flags.Has(CommandFlag::kModule),
           .rule = RuleOfNamespace(spec)};
  return known.rule;
}

}  // namespace weir
