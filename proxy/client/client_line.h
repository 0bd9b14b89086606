// A line of CLIENT LIST, with the fields and in the order of the server's version.
#ifndef WEIR_PROXY_CLIENT_CLIENT_LINE_H_
#define WEIR_PROXY_CLIENT_CLIENT_LINE_H_

#include <string>

namespace weir {

struct ClientRow;
struct ServerFacts;

// Whose lines these are. Valkey's have fields that no Redis of an equal version has.
struct LineStyle {
  int server_version;  // as ParseVersion gives it
  bool is_valkey;
};
LineStyle LineStyleOf(const ServerFacts& server);

// Appends the line with its LF. Fields about what weir does not have (buffers of a fixed size, the
// memory of transactions) hold what the server prints for a client that does not use them.
void AppendClientLine(std::string* out, const ClientRow& row, LineStyle style);

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_CLIENT_LINE_H_
