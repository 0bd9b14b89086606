// The commands that weir answers itself: pure functions from a conversation and a request to an
// outcome, which the session carries out.
#ifndef WEIR_PROXY_CLIENT_LOCAL_COMMANDS_H_
#define WEIR_PROXY_CLIENT_LOCAL_COMMANDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/client/conversation.h"
#include "proxy/key_stats.h"
#include "routing/spread.h"

namespace weir {

struct AuthConfig;
struct CommandEntry;
struct CommandSpec;
struct ParsedRequest;
class NameBudget;
class SlowLog;
class RoutingTable;
enum class LocalCommand : uint8_t;

// What weir knows of the server behind it; empty version: never reached yet.
struct ServerFacts {
  std::string server = "redis";  // HELLO's "server"
  std::string version;           // HELLO's "version" (Valkey's INFO says 7.2.4 instead)
  std::string mode = "standalone";
  std::string role = "master";
  // HELLO's "modules" element as the server wrote it in either version; empty: none.
  std::string modules_resp2;
  std::string modules_resp3;
  std::string run_id;
  bool operator==(const ServerFacts&) const = default;
};

// One client as CLIENT LIST and CLIENT KILL see it: filled by its session on demand.
struct ClientRow {
  uint64_t id;
  std::string address;        // addr=
  std::string local_address;  // laddr=
  int fd;
  std::string name, user, lib_name, lib_version;
  int64_t age_s, idle_s;
  int db;
  int protocol_version;
  uint64_t query_buffer_bytes, query_buffer_free_bytes, output_bytes, output_slices, total_bytes;
  uint64_t bytes_in, bytes_out, commands;  // since it connected
  std::string last_command;                // "client|list"
  bool closing;
  bool unix_socket;
  bool no_evict;
  bool no_touch;
  bool in_transaction;
  bool blocked;
  bool tracking;
  bool broadcast;        // CLIENT TRACKING BCAST
  bool redirect_broken;  // the client to whom its invalidations went is gone
  bool watch_lost;       // its EXEC will find a watched key changed
  bool monitor;
  bool replica;                                 // it said SYNC
  int64_t redirect = -1;                        // redir=; -1: it tracks nothing
  int64_t queued;                               // requests in its transaction; -1: it has none
  uint64_t channels, patterns, shard_channels;  // subscribed to: sub=, psub=, ssub=
  bool subscribed() const { return channels + patterns + shard_channels != 0; }
};

// Runs on every worker in turn, with that worker's clients only.
class ClientTable {
 public:
  virtual ~ClientTable() = default;
  virtual void ForEach(const std::function<void(const ClientRow&)>& visit) const = 0;
  // Closes the client. The one that asks is closed after its reply. False when there is no such id.
  virtual bool Kill(uint64_t id) = 0;
  // There is one more monitor of this upstream, on this worker.
  virtual void CountMonitor(size_t upstream, size_t worker) = 0;
  // Ends the wait of the client's blocking command. False when there is no such id, or no wait.
  virtual bool Unblock(uint64_t id, bool with_error) = 0;
  // The CLIENT ID by which the node knows the client's own connection; 0: it has none.
  virtual int64_t OwnConnectionId(uint64_t id) const = 0;
};

struct LocalContext {
  const RoutingTable* routing = nullptr;  // never null; valid during the call
  const AuthConfig* auth = nullptr;       // never null; valid during the call
  const ServerFacts* server = nullptr;    // never null; valid during the call
  NameBudget* names = nullptr;            // outlives all clients; null: names have no bound
  bool url_has_credentials = true;        // the upstream's: see AuthRequired()
  SlowLog* slow_log = nullptr;            // outlives all clients; null: it is off
  int databases_known = 1;                // SELECT below this needs no check by the server
  // CLIENT UNBLOCK: the node cannot be asked in the client's order (it is one of several, or EXEC
  // has run), so weir says what it knows.
  bool unblocks_itself = false;
  // What INFO and HELLO say of the mode instead of what the server does: "standalone" or "cluster";
  // empty: nothing else.
  std::string_view shown_mode;
  std::string sentinel_section;  // of INFO; empty: none
  // WEIR HOTKEYS, or BIGKEYS if `big`: the first `n`. Null: keys are not counted.
  std::function<std::vector<KeyStats::Entry>(bool big, size_t n)> key_stats;
  std::function<std::string_view(size_t upstream)> upstream_name;  // by index
  // The others are only called during the call.
  std::function<ClientRow()> self;  // the asking client, for CLIENT INFO
  // What the plugins add to COMMAND.
  std::vector<const CommandSpec*> plugin_commands;
  // The "# Weir" section of INFO, without blank lines around it.
  std::function<std::string()> weir_info;
  // WEIR EXPLAIN: chain, plan, link and node of args[0..] as lines of text.
  std::function<std::vector<std::string>(const std::vector<std::string_view>& args)> explain;
  // WEIR HEALTH, TOPOLOGY and UPSTREAMS: what they say, as lines of text. `upstream`: a name, or
  // empty for the client's own. Nothing: there is no upstream of that name.
  std::function<std::optional<std::vector<std::string>>(LocalCommand what,
                                                        std::string_view upstream)>
      report;
};

// Credentials for the links of a client (passthrough authentication).
struct Credentials {
  std::string user, password;
  bool operator==(const Credentials&) const = default;
};

// What the session is to do. Later requests of the client stay behind it in reply order in any
// case.
struct LocalOutcome {
  enum class Kind {
    kReply,   // append `reply` (may be empty: nothing is said) at the request's place
    kClose,   // the same, then close once it is written
    kAsk,     // send `ask` upstream, collect the whole reply, answer with finish(reply)
    kGather,  // visit the clients of all workers, answer with the combined text
  };
  Kind kind = Kind::kReply;
  std::string reply;

  struct Ask {
    std::string request;                     // RESP request to send; empty: the client's own bytes
    std::optional<Credentials> credentials;  // other than the client's present ones
    std::optional<int> db;                   // likewise
    std::optional<int> protocol_version;     // likewise
    bool serial = false;  // parse no further request of this client until it is answered
    // With several nodes: all primaries are asked, and `finish` gets what their replies become.
    std::optional<Merge> of_all;
    // Gets the upstream's whole reply (or an error reply of weir's: '-' to CRLF), may change the
    // conversation, and returns the reply for the client. Owns copies of all that it needs.
    std::function<std::string(Conversation&, std::string_view)> finish;
    // Set instead of `finish`: the question is whether the client may see or close others. If it is
    // true of the reply, `gather` is carried out; otherwise that reply is the client's.
    std::function<bool(std::string_view)> permits;
  } ask;

  struct Gather {
    // Runs on each worker's thread; must touch only the table, its copied state and `out`.
    std::function<void(ClientTable&, std::string* out)> visit;
    // Runs back on the client's worker with one string a worker, in worker order.
    std::function<std::string(Conversation&, const std::vector<std::string>&)> combine;
    // Set instead of `combine`: makes of them the RESP request whose reply is the client's. What
    // the client has asked before is answered when the visit begins, and what it asks after waits.
    std::function<std::string(const std::vector<std::string>&)> request;
  } gather;
};

// Answers one request whose entry says Handling::kLocal. Checks arity with Redis' own error texts.
// `request` and all views are only read during the call (Ask and Gather copy what they keep).
LocalOutcome RunLocalCommand(const LocalContext& context, const CommandEntry& entry,
                             const ParsedRequest& request, Conversation& conversation);

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_LOCAL_COMMANDS_H_
