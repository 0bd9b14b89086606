#include "proxy/client/client_line.h"

#include <string_view>

#include "proxy/client/local_commands.h"
#include "proxy/client/server_version.h"

namespace weir {
namespace {

// A letter for each thing that is special about the client, in Redis' order; "N" if nothing is.
std::string Flags(const ClientRow& row, int server_version) {
  std::string flags;
  if (row.monitor) flags += 'O';
  if (row.replica) flags += 'S';
  if (row.subscribed()) flags += 'P';
  if (row.in_transaction) flags += 'x';
  if (row.blocked) flags += 'b';
  if (row.tracking) flags += 't';
  if (row.redirect_broken) flags += 'R';
  if (row.broadcast) flags += 'B';
  if (row.watch_lost) flags += 'd';
  if (row.closing) flags += 'c';
  if (row.unix_socket) flags += 'U';
  if (row.no_evict) flags += 'e';
  if (row.no_touch && server_version >= MakeVersion(7, 2)) flags += 'T';
  return flags.empty() ? "N" : flags;
}

// Redis before 7.0 names the container only.
std::string_view LastCommand(const ClientRow& row, int server_version) {
  const std::string_view command = row.last_command;
  if (command.empty()) return "NULL";
  return server_version < MakeVersion(7, 0) ? command.substr(0, command.find('|')) : command;
}

class Line {
 public:
  explicit Line(std::string* out) : out_(out), begin_(out->size()) {}

  Line& Text(std::string_view name, std::string_view value) {
    if (out_->size() != begin_) *out_ += ' ';
    *out_ += name;
    *out_ += '=';
    // A client's name may go on behind a NUL byte, with anything at all.
    *out_ += value.substr(0, value.find('\0'));
    return *this;
  }
  template <typename Number>
  Line& Value(std::string_view name, Number value) {
    return Text(name, std::to_string(value));
  }

 private:
  std::string* const out_;
  const size_t begin_;
};

}  // namespace

LineStyle LineStyleOf(const ServerFacts& server) {
  return {.server_version = ParseVersion(server.version), .is_valkey = server.server == "valkey"};
}

void AppendClientLine(std::string* out, const ClientRow& row, LineStyle style) {
  const int server_version = style.server_version;
  const bool since_7_0 = server_version >= MakeVersion(7, 0);
  Line line(out);
  line.Value("id", row.id).Text("addr", row.address).Text("laddr", row.local_address);
  line.Value("fd", row.fd).Text("name", row.name).Value("age", row.age_s).Value("idle", row.idle_s);
  line.Text("flags", Flags(row, server_version)).Value("db", row.db);
  line.Value("sub", row.channels).Value("psub", row.patterns);
  if (since_7_0) line.Value("ssub", row.shard_channels);
  line.Value("multi", row.queued);
  if (server_version >= MakeVersion(7, 4)) line.Value("watch", 0);
  line.Value("qbuf", row.query_buffer_bytes).Value("qbuf-free", row.query_buffer_free_bytes);
  line.Value("argv-mem", 0);
  if (since_7_0) line.Value("multi-mem", 0).Value("rbs", 0).Value("rbp", 0);
  line.Value("obl", 0).Value("oll", row.output_slices).Value("omem", row.output_bytes);
  line.Value("tot-mem", row.total_bytes).Text("events", "r");
  line.Text("cmd", LastCommand(row, server_version))
      .Text("user", row.user)
      .Value("redir", row.redirect);
  if (since_7_0) line.Value("resp", row.protocol_version);
  if (server_version >= MakeVersion(7, 2)) {
    line.Text("lib-name", row.lib_name).Text("lib-ver", row.lib_version);
  }
  if (style.is_valkey && server_version >= MakeVersion(8, 0)) {
    line.Value("tot-net-in", row.bytes_in).Value("tot-net-out", row.bytes_out);
    line.Value("tot-cmds", row.commands);
  }
  *out += '\n';
}

}  // namespace weir
