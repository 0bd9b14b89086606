// A line of CLIENT LIST, with the fields and in the order of the server's version.
#ifndef WEIR_PROXY_CLIENT_CLIENT_LINE_H_
#define WEIR_PROXY_CLIENT_CLIENT_LINE_H_

#include <string>

namespace weir {

struct ClientRow;

// Appends the line with its LF. `server_version` as ParseVersion gives it. Fields about what weir
// does not have (buffers of a fixed size, transactions, subscriptions) hold what Redis prints for a
// client that does not use them.
void AppendClientLine(std::string* out, const ClientRow& row, int server_version);

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_CLIENT_LINE_H_
