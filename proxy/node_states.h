// Which nodes of which upstream are up, as the workers last reported: for the log, /readyz,
// metrics.
#ifndef WEIR_PROXY_NODE_STATES_H_
#define WEIR_PROXY_NODE_STATES_H_

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace weir {

// Any thread may call anything. Workers report only when a link connects or fails, so the lock is
// never on a request's way.
class NodeStates {
 public:
  struct State {
    std::string upstream;
    std::string node;  // "127.0.0.1:6379"
    bool up;
    std::string cause;            // why it is down; "" while it is up
    int ejected_by = 0;           // workers whose circuit breaker for it is open
    std::string ejected_cause{};  // what the last of them has said
  };

  // Takes a worker's word on a node. True if that is news: the first word on it, or another than
  // the last. Of workers that disagree the latest is believed.
  bool Report(const std::string& upstream, const std::string& node, bool up,
              const std::string& cause);

  // A worker's circuit breaker for the node has opened, or is closed again.
  void ReportEjection(const std::string& upstream, const std::string& node, bool ejected,
                      const std::string& cause);

  // Drops a node that has left its upstream.
  void Forget(const std::string& upstream, const std::string& node);

  // All that are known, by upstream and node.
  std::vector<State> All() const;

  // For AdminSource::NotReady: a line for each of these upstreams without a node that is up, with
  // the cause of each of its nodes.
  std::vector<std::string> NotReady(const std::vector<std::string>& upstreams) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, State> states_;
};

}  // namespace weir

#endif  // WEIR_PROXY_NODE_STATES_H_
