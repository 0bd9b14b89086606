// Counts the keys of each namespace that has a keys_max, by SCAN over all nodes, again and again.
//
// One pass serves all namespaces: every key is read once and counted for the namespace that its
// name begins with. Each SCAN waits for the one before and for a pause, so it takes little of
// Redis' time, and a pass as long as it takes. It counts in the db of the upstream's URL.
#ifndef WEIR_PLUGINS_KEY_COUNT_H_
#define WEIR_PLUGINS_KEY_COUNT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/tenants.h"

namespace weir {

class Host;
class HostTimer;

using KeysByPrefix = std::map<std::string, int64_t, std::less<>>;

// Counts the keys of a SCAN's reply (RESP2) by the prefix that each begins with, if it is one of
// `counts`, of which none begins with another. The cursor to go on with; "": it is no such reply.
std::string CountScanned(std::string_view reply, KeysByPrefix* counts);

class KeyCount {
 public:
  // `host` outlives it.
  KeyCount(Host* host, std::shared_ptr<Tenants> tenants);
  ~KeyCount();

 private:
  struct Pass;
  void Schedule();
  void Begin();
  void Scan();
  void OnScanned(std::string_view reply);
  void End();

  Host* const host_;
  const std::shared_ptr<Tenants> tenants_;
  std::shared_ptr<Pass> pass_;  // under way; whoever answers holds it weakly
  std::unique_ptr<HostTimer> timer_;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_KEY_COUNT_H_
