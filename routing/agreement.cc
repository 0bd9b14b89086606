#include "routing/agreement.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "routing/text.h"

namespace weir {
namespace {

// What makes a node the same in several views: its id, or its address where it has none.
std::string KeyOf(const Node& node) { return node.id.empty() ? node.Address() : node.id; }

// One answer with what the rule asks of it.
struct Witness {
  const ClusterAnswer* answer = nullptr;
  NodeIndex self = kNoNode;            // in its own view
  std::vector<std::string> primaries;  // keys of those that serve slots, sorted
};

std::vector<bool> WhoServes(const ClusterView& view) {
  std::vector<bool> serves(view.nodes.size(), false);
  NodeIndex before = kNoNode;  // slots stand in ranges
  for (const NodeIndex owner : view.slots) {
    if (owner == before) continue;
    before = owner;
    if (owner != kNoNode) serves[owner] = true;
  }
  return serves;
}

NodeIndex FindSelf(const ClusterAnswer& answer) {
  const std::vector<Node>& nodes = answer.view.nodes;
  const auto self = std::find_if(nodes.begin(), nodes.end(), [&](const Node& node) {
    return answer.id.empty() ? node.host == answer.asked.host && node.port == answer.asked.port
                             : node.id == answer.id;
  });
  return self == nodes.end() ? kNoNode : static_cast<NodeIndex>(self - nodes.begin());
}

Witness MakeWitness(const ClusterAnswer& answer) {
  Witness witness{.answer = &answer, .self = FindSelf(answer), .primaries = {}};
  const std::vector<bool> serves = WhoServes(answer.view);
  for (size_t i = 0; i < serves.size(); ++i) {
    if (serves[i]) witness.primaries.push_back(KeyOf(answer.view.nodes[i]));
  }
  std::sort(witness.primaries.begin(), witness.primaries.end());
  return witness;
}

// All that hold the same primaries for the cluster's.
struct Camp {
  std::vector<const Witness*> witnesses;
  std::vector<const Witness*> supporters;  // those of them that are such primaries, once each
  size_t asked = 0;                        // of the primaries, with or without an answer
  uint64_t epoch = 0;                      // the highest among supporters
  size_t primaries() const { return witnesses.front()->primaries.size(); }
  bool believed() const {
    const size_t to_ask = std::min(primaries(), Agreement::kAskMax);
    return asked >= to_ask && supporters.size() * 2 > asked;
  }
};

// Whoever was asked: by id where it is known, and by address.
struct Asked {
  absl::flat_hash_set<std::string> ids;
  absl::flat_hash_set<std::string> addresses;
  bool Has(const Node& node) const {
    return ids.contains(node.id) || addresses.contains(node.Address());
  }
};

Asked WhoWasAsked(absl::Span<const ClusterAnswer> answers, absl::Span<const HostPort> silent) {
  Asked asked;
  for (const ClusterAnswer& answer : answers) {
    if (!answer.id.empty()) asked.ids.insert(answer.id);
    asked.addresses.insert(AddressText(answer.asked.host, answer.asked.port));
  }
  for (const HostPort& address : silent) {
    asked.addresses.insert(AddressText(address.host, address.port));
  }
  return asked;
}

void CountSupport(const Asked& asked, Camp* camp) {
  const Witness& any = *camp->witnesses.front();
  const std::vector<bool> serves = WhoServes(any.answer->view);
  for (size_t i = 0; i < serves.size(); ++i) {
    if (serves[i] && asked.Has(any.answer->view.nodes[i])) ++camp->asked;
  }
  absl::flat_hash_set<std::string> counted;
  for (const Witness* witness : camp->witnesses) {
    if (witness->self == kNoNode) continue;
    const std::string key = KeyOf(witness->answer->view.nodes[witness->self]);
    if (!std::binary_search(witness->primaries.begin(), witness->primaries.end(), key)) continue;
    if (!counted.insert(key).second) continue;
    camp->supporters.push_back(witness);
    camp->epoch = std::max(camp->epoch, witness->answer->info.epoch);
  }
}

std::vector<std::string> PrimariesOf(const Topology& topology) {
  std::vector<std::string> keys;
  for (const NodeIndex primary : topology.primaries()) {
    keys.push_back(KeyOf(topology.node(primary)));
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

// Decides single slots among those who agree on the primaries.
class SlotVote {
 public:
  SlotVote(const std::vector<const Witness*>& voters, const Topology* known) : voters_(voters) {
    // The newest first: what it says of replicas and health is taken, too.
    std::stable_sort(voters_.begin(), voters_.end(), [](const Witness* a, const Witness* b) {
      return a->answer->info.epoch > b->answer->info.epoch;
    });
    view_ = voters_.front()->answer->view;
    absl::flat_hash_map<std::string, NodeIndex> places;
    for (size_t i = 0; i < view_.nodes.size(); ++i) {
      places.emplace(KeyOf(view_.nodes[i]), static_cast<NodeIndex>(i));
    }
    const auto translate = [&](const std::vector<Node>& nodes) {
      std::vector<NodeIndex> to;
      for (const Node& node : nodes) {
        const auto place = places.find(KeyOf(node));
        to.push_back(place == places.end() ? kNoNode : place->second);
      }
      return to;
    };
    for (const Witness* voter : voters_) to_.push_back(translate(voter->answer->view.nodes));
    if (known != nullptr && !known->is_single()) {
      known_ = known;
      known_to_ = translate(known->nodes());
    }
  }

  ClusterView Decide() {
    for (size_t slot = 0; slot < view_.slots.size(); ++slot) view_.slots[slot] = Owner(slot);
    return std::move(view_);
  }

 private:
  NodeIndex Said(size_t voter, size_t slot) const {
    const NodeIndex owner = voters_[voter]->answer->view.slots[slot];
    return owner == kNoNode ? kNoNode : to_[voter][owner];
  }

  NodeIndex Owner(size_t slot) const {
    const NodeIndex first = Said(0, slot);
    bool unanimous = true;
    for (size_t i = 1; unanimous && i < voters_.size(); ++i) unanimous = Said(i, slot) == first;
    if (unanimous) return first;
    const NodeIndex now =
        known_ == nullptr || known_->PrimaryOf(static_cast<uint16_t>(slot)) == kNoNode
            ? kNoNode
            : known_to_[known_->PrimaryOf(static_cast<uint16_t>(slot))];
    const NodeIndex claimed = Claimed(slot, now);
    return claimed != kNoNode ? claimed : MostVotes(slot, now);
  }

  // By the voter of the highest epoch that says it serves the slot itself; voters are in that
  // order.
  NodeIndex Claimed(size_t slot, NodeIndex now) const {
    NodeIndex claimed = kNoNode;
    uint64_t epoch = 0;
    for (size_t i = 0; i < voters_.size(); ++i) {
      const Witness& voter = *voters_[i];
      if (voter.self == kNoNode || voter.answer->view.slots[slot] != voter.self) continue;
      if (claimed != kNoNode && voter.answer->info.epoch != epoch) break;
      const NodeIndex self = to_[i][voter.self];
      if (claimed == kNoNode || self == now) claimed = self;
      epoch = voter.answer->info.epoch;
    }
    return claimed;
  }

  NodeIndex MostVotes(size_t slot, NodeIndex now) const {
    std::map<NodeIndex, size_t> votes;
    for (size_t i = 0; i < voters_.size(); ++i) ++votes[Said(i, slot)];
    NodeIndex best = votes.begin()->first;
    for (const auto& [owner, count] : votes) {
      if (count > votes[best] || (count == votes[best] && owner == now)) best = owner;
    }
    return best;
  }

  std::vector<const Witness*> voters_;
  ClusterView view_;
  std::vector<std::vector<NodeIndex>> to_;  // of each voter: its indexes in view_
  const Topology* known_ = nullptr;
  std::vector<NodeIndex> known_to_;  // likewise
};

std::vector<HostPort> WhomToAskToo(absl::Span<const ClusterAnswer> answers, const Asked& asked) {
  std::vector<HostPort> ask_too;
  absl::flat_hash_set<std::string> named;
  for (const ClusterAnswer& answer : answers) {
    const std::vector<bool> serves = WhoServes(answer.view);
    for (size_t i = 0; i < serves.size(); ++i) {
      const Node& node = answer.view.nodes[i];
      if (!serves[i] || asked.Has(node) || !named.insert(node.Address()).second) continue;
      if (ask_too.size() < Agreement::kAskMax) ask_too.push_back({node.host, node.port});
    }
  }
  return ask_too;
}

using Camps = std::map<std::vector<std::string>, Camp>;

// Whoever says of itself that it is a primary with slots.
size_t CountVoters(const Camps& camps) {
  size_t voters = 0;
  for (const auto& [primaries, camp] : camps) voters += camp.supporters.size();
  return voters;
}

// The believed one, or with none the best supported.
const Camp* BestCamp(const Camps& camps, const std::vector<std::string>& known) {
  const std::pair<const std::vector<std::string>, Camp>* best = nullptr;
  const size_t voters = CountVoters(camps);
  const auto rank = [&](const auto& camp) {
    const size_t supporters = camp.second.supporters.size();
    const size_t weight = camp.second.believed() ? supporters * 2 > voters : supporters;
    return std::tuple(camp.second.believed(), weight, camp.second.epoch, camp.first == known);
  };
  for (const auto& camp : camps) {
    if (camp.first.empty()) continue;  // it knows of no slots
    if (best == nullptr || rank(camp) > rank(*best)) best = &camp;
  }
  return best == nullptr ? nullptr : &best->second;
}

}  // namespace

Agreement Agree(absl::Span<const ClusterAnswer> answers, absl::Span<const HostPort> silent,
                const Topology* known) {
  std::vector<Witness> witnesses;
  witnesses.reserve(answers.size());
  for (const ClusterAnswer& answer : answers) witnesses.push_back(MakeWitness(answer));
  Camps camps;
  for (const Witness& witness : witnesses) camps[witness.primaries].witnesses.push_back(&witness);
  const Asked asked = WhoWasAsked(answers, silent);
  for (auto& camp : camps) CountSupport(asked, &camp.second);

  Agreement agreement;
  agreement.ask_too = WhomToAskToo(answers, asked);
  const bool nothing_known = known == nullptr || known->primaries().empty();
  const Camp* best =
      BestCamp(camps, nothing_known ? std::vector<std::string>() : PrimariesOf(*known));
  if (best == nullptr) {
    agreement.why = answers.empty() ? "no node answered" : "no node knows who serves any slot";
    return agreement;
  }
  agreement.why = Concat(best->supporters.size(), " of ", best->primaries(), " primaries agree, ",
                         best->asked, " were asked");
  if (!best->believed() && !nothing_known) return agreement;
  agreement.result = best->believed() ? Agreement::Result::kAgreed : Agreement::Result::kUnsure;
  agreement.certain =
      best->believed() && best->supporters.size() * 2 > CountVoters(camps) + silent.size();
  agreement.view =
      SlotVote(best->supporters.empty() ? best->witnesses : best->supporters, known).Decide();
  return agreement;
}

bool SameTopology(const ClusterView& view, const Topology& topology) {
  if (topology.is_single() || view.nodes.size() != topology.nodes().size()) return false;
  std::vector<NodeIndex> to;
  for (const Node& node : view.nodes) {
    const NodeIndex place = topology.Find(node.host, node.port);
    if (place == kNoNode) return false;
    to.push_back(place);
  }
  const auto translate = [&](NodeIndex index) { return index == kNoNode ? kNoNode : to[index]; };
  for (size_t i = 0; i < view.nodes.size(); ++i) {
    const Node& a = view.nodes[i];
    const Node& b = topology.node(to[i]);
    if (a.id != b.id || a.role != b.role || a.health != b.health || a.zone != b.zone ||
        translate(a.primary) != b.primary) {
      return false;
    }
  }
  for (size_t slot = 0; slot < view.slots.size(); ++slot) {
    if (translate(view.slots[slot]) != topology.PrimaryOf(static_cast<uint16_t>(slot))) {
      return false;
    }
  }
  return true;
}

}  // namespace weir
