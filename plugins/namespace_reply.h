// Which words of a reply name keys or channels, and the taking off of a namespace's prefix there.
//
// A reply is edited, never parsed into a tree: what names nothing is copied as it stands, so that
// types, numbers and the order of bytes stay Redis' own, in RESP2 as in RESP3.
#ifndef WEIR_PLUGINS_NAMESPACE_REPLY_H_
#define WEIR_PLUGINS_NAMESPACE_REPLY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace weir {

// What a reply has of names. A reply that is an error may quote one whatever the kind, except of
// kAsIs; one that is null has none.
enum class NamespaceReply : uint8_t {
  kAsIs,          // nothing, nor have its errors: it need not be looked at
  kErrors,        // nothing, but its errors may: XREADGROUP's NOGROUP and the like
  kNames,         // it is a name, or an array or set of them: KEYS, PUBSUB CHANNELS
  kOneOf,         // an array of names of which any one was asked for: RANDOMKEY, sent as KEYS
  kCount,         // an array of names whose number was asked for: DBSIZE, sent as KEYS
  kScan,          // a cursor, then an array of names
  kFirst,         // an array whose first element is a name: BLPOP, BZPOPMIN, LMPOP, ZMPOP, …
  kStreams,       // XREAD: an array of [name, …], in RESP3 a map by name
  kPairs,         // name, number, name, …: PUBSUB NUMSUB
  kInfo,          // INFO: what tells of others is left out
  kTrackingInfo,  // CLIENT TRACKINGINFO: its prefixes
  kPush,          // SUBSCRIBE and its like: confirmations, see TakeOffPush
};

// The reply as the client is to see it. `reply` is one whole reply, in RESP2 or RESP3; what is no
// reply of its kind stays as it is. In arrays of names (kNames, kScan) those without the prefix are
// left out, and alone they become null: a name of others is never shown. `protocol_version` is the
// one that the client speaks: of the null that kOneOf makes.
std::string TakeOff(NamespaceReply kind, std::string_view prefix, std::string_view reply,
                    int protocol_version = 2);

// EXEC's reply; `kinds`: of the commands that were queued, in their order. Null and errors are
// treated as ever. nullopt if it is an array of another length, or none.
std::optional<std::string> TakeOffExec(absl::Span<const NamespaceReply> kinds,
                                       std::string_view prefix, std::string_view reply,
                                       int protocol_version = 2);

// A push, or what a RESP2 client gets in its place: messages, confirmations of subscribing and
// unsubscribing, invalidations. Others stay as they are.
std::string TakeOffPush(std::string_view prefix, std::string_view push);

// INFO's text without what tells of others: of its sections Server, Replication, CPU, Modules and
// Cluster remain, and of the others the few lines that client libraries read.
std::string InfoOfNamespace(std::string_view text);

}  // namespace weir

#endif  // WEIR_PLUGINS_NAMESPACE_REPLY_H_
