// Rounds of questions to a cluster's nodes.
#include "proxy/backend/topology_watch.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/call.h"
#include "proxy/config.h"
#include "proxy/log.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// Of an error; who could not be reached is known without its saying so.
std::string CauseOf(std::string_view error) {
  std::string_view cause = error.substr(1, error.find_first_of("\r\n") - 1);
  const size_t at = cause.rfind(": ");
  if (cause.starts_with("DOWN") && at != std::string_view::npos) cause.remove_prefix(at + 2);
  return std::string(cause);
}

size_t CountServed(const Topology& topology) {
  return static_cast<size_t>(std::count_if(topology.slots().begin(), topology.slots().end(),
                                           [](NodeIndex node) { return node != kNoNode; }));
}

}  // namespace

TopologyWatch::TopologyWatch(LoopContext* context, Upstream* upstream,
                             const AddressMap* address_map, OnTopology on_topology, OnNode on_node,
                             OnRound on_round)
    : Watch(context, upstream, std::move(on_topology), std::move(on_node), std::move(on_round)),
      address_map_(address_map) {}

TopologyWatch::~TopologyWatch() = default;

void TopologyWatch::Refresh() {
  if (stopped_) return;
  if (round_.open) {
    again_ = true;
    return;
  }
  const uint64_t now_ms = context_->NowMs();
  if (ended_ms_ == 0 || now_ms - ended_ms_ >= kPauseMs) return Begin();
  Arm(ended_ms_ + kPauseMs - now_ms);
}

void TopologyWatch::OnTimer() {
  if (!round_.open) return Begin();
  round_.late = true;
  Evaluate(/*last=*/true);
}

HostPort TopologyWatch::AddressOf(NodeIndex node) const {
  const Node& address = upstream_->map().node(node)->address;
  return {.host = address.host, .port = address.port};
}

void TopologyWatch::Begin() {
  again_ = false;
  round_.witnesses.clear();
  ++round_.number;
  round_.open = true;
  round_.late = false;
  Arm(kRoundMs);
  std::vector<NodeIndex> asked = upstream_->map().primaries();
  if (lost_) {
    for (const UpstreamUrl::Endpoint& seed : upstream_->url().endpoints) {
      const NodeIndex node = upstream_->FindOrAdd(Node{.host = seed.host, .port = seed.port});
      if (node != kNoNode && std::find(asked.begin(), asked.end(), node) == asked.end()) {
        asked.push_back(node);
      }
    }
  }
  // Of very many any will do: those that others name are asked as well.
  if (asked.size() > Agreement::kAskMax) {
    std::shuffle(asked.begin(), asked.end(), context_->random);
    asked.resize(Agreement::kAskMax);
  }
  for (const NodeIndex node : asked) AskNode(node);
  if (asked.empty()) Evaluate(true);
}

// One that has not answered the last time's questions is not asked new ones.
void TopologyWatch::AskNode(NodeIndex node) {
  auto owned = std::make_unique<Witness>();
  Witness* const witness = owned.get();
  witness->node = node;
  witness->answer.asked = AddressOf(node);
  round_.witnesses.push_back(std::move(owned));
  if (!busy_.insert(node).second) return;
  AskOne(witness, {"CLUSTER", "MYID"}, [](Witness& by, std::string_view reply) {
    const auto parsed = ParseReply(reply);
    if (parsed.ok() && parsed->is_text()) by.answer.id = parsed->string;
  });
  AskOne(witness, {"CLUSTER", "INFO"}, [](Witness& by, std::string_view reply) {
    const auto parsed = ParseReply(reply);
    if (parsed.ok()) by.answer.info = ParseClusterInfo(*parsed);
  });
  AskOne(witness, {"CLUSTER", "SHARDS"}, [this](Witness& by, std::string_view reply) {
    const bool unknown = reply.starts_with("-ERR");
    if (!unknown) return TakeView(by, reply, /*shards=*/true);
    ++by.missing;
    AskOne(&by, {"CLUSTER", "SLOTS"},
           [this](Witness& of, std::string_view slots) { TakeView(of, slots, /*shards=*/false); });
  });
}

void TopologyWatch::AskOne(Witness* witness, std::initializer_list<std::string_view> args,
                           std::function<void(Witness&, std::string_view)> take) {
  std::string request;
  AppendRequest(&request, args);
  LinkKey key = upstream_->BaseKey();
  key.node = witness->node;
  LinkGroup* group = upstream_->Hold(key);
  CallUpstream(context_, upstream_, group, std::move(request), /*retryable=*/true,
               [this, witness, node = witness->node, number = round_.number,
                take = std::move(take)](std::string_view reply) {
                 if (stopped_) return;
                 if (number != round_.number) {
                   busy_.erase(node);  // too late for its round
                   return;
                 }
                 take(*witness, reply);
                 if (--witness->missing == 0) OnPart(number, witness);
               });
  group->Release();
}

void TopologyWatch::TakeView(Witness& witness, std::string_view reply, bool shards) {
  const std::string address = upstream_->NodeAddress(witness.node);
  if (reply.starts_with('-')) return on_node_(address, false, CauseOf(reply));
  const auto parsed = ParseReply(reply);
  if (!parsed.ok()) return on_node_(address, false, std::string(Message(parsed.status())));
  const ViewSource source{.asked = witness.answer.asked, .address_map = address_map_};
  auto view = shards ? ParseClusterShards(*parsed, source) : ParseClusterSlots(*parsed, source);
  if (!view.ok()) return on_node_(address, false, std::string(Message(view.status())));
  witness.answer.view = *std::move(view);
  witness.valid = true;
  on_node_(address, true, "");
}

void TopologyWatch::OnPart(uint64_t round, Witness* witness) {
  busy_.erase(witness->node);
  if (!round_.open || round != round_.number) return;
  const bool last = std::all_of(round_.witnesses.begin(), round_.witnesses.end(),
                                [](const auto& each) { return each->missing == 0; });
  Evaluate(last);
}

// Ends the round if all is clear, or nothing more is to come. True: it has.
bool TopologyWatch::Evaluate(bool last) {
  std::vector<ClusterAnswer> answers;
  std::vector<HostPort> silent;
  for (const auto& witness : round_.witnesses) {
    if (witness->missing == 0 && witness->valid) {
      answers.push_back(witness->answer);
    } else {
      silent.push_back(witness->answer.asked);
    }
  }
  const Agreement agreement = Agree(answers, silent, known_.get());
  // One that speaks only for itself is not believed before the others had a chance to speak.
  const bool agreed = agreement.result == Agreement::Result::kAgreed && (agreement.certain || last);
  size_t asked_too = 0;
  for (const HostPort& address : agreement.ask_too) {
    if (round_.late || round_.witnesses.size() >= 2 * Agreement::kAskMax) break;
    const NodeIndex node = upstream_->FindOrAdd(Node{.host = address.host, .port = address.port});
    const auto was_asked = [node](const auto& witness) { return witness->node == node; };
    if (node == kNoNode || std::any_of(round_.witnesses.begin(), round_.witnesses.end(), was_asked))
      continue;
    AskNode(node);
    ++asked_too;
  }
  if (!agreed && asked_too != 0 && !round_.late) return false;
  if (!agreed && !last) return false;
  lost_ = answers.empty();
  End(agreement);
  return true;
}

void TopologyWatch::End(const Agreement& agreement) {
  round_.open = false;
  ended_ms_ = context_->NowMs();
  if (agreement.result != Agreement::Result::kNone) Adopt(agreement);
  const bool sure = agreement.result == Agreement::Result::kAgreed;
  const auto interval_ms = static_cast<uint64_t>(upstream_->config().topology_refresh_interval_ms);
  if (again_) {
    Arm(kPauseMs);
  } else if (!sure) {
    Arm(kUnsureMs);
  } else if (interval_ms != 0) {
    Arm(interval_ms - context_->random() % (interval_ms / 4 + 1));
  }
  on_round_(known_ != nullptr ? "" : lost_ ? "no node has answered" : agreement.why);
}

void TopologyWatch::Adopt(const Agreement& agreement) {
  if (known_ != nullptr && SameTopology(agreement.view, *known_)) return;
  known_ = Topology::Cluster(agreement.view.nodes, agreement.view.slots, ++versions_);
  Log(LogLevel::kInfo, "topology",
      {{"upstream", upstream_->config().name},
       {"primaries", known_->primaries().size()},
       {"nodes", known_->nodes().size()},
       {"slots_served", CountServed(*known_)},
       {"version", versions_},
       {"why", agreement.why}});
  on_topology_(known_);
}

}  // namespace weir
