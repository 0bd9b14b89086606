// A real Redis cluster for a test.
#include "tests/support/cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/support/raw_client.h"

namespace weir::harness {
namespace {

constexpr int kSlots = 16384;

// "myself,master" of a node's own line, and so on: the fields of CLUSTER NODES, by line.
std::vector<std::vector<std::string>> NodesLines(RedisServer& server) {
  std::vector<std::vector<std::string>> lines;
  RawClient client(server.port());
  std::istringstream text(client.Text({"CLUSTER", "NODES"}));
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    if (fields.size() >= 8) lines.push_back(fields);
  }
  return lines;
}

std::string Ask(RedisServer& server, const std::vector<std::string>& args) {
  RawClient client(server.port());
  return client.Text(args);
}

void Expect(RedisServer& server, const std::vector<std::string>& args) {
  EXPECT_EQ(Ask(server, args), "OK") << args[0] << " " << args[1];
}

}  // namespace

WeirConfig InFrontOf(const std::string& url, const std::string& upstream,
                     const std::string& commands) {
  WeirConfig config;
  config.url = url;
  config.upstream = upstream;
  config.commands = commands;
  return config;
}

uint16_t SlotOf(const std::string& key) {
  std::string tag = key;
  const size_t open = key.find('{');
  if (open != std::string::npos) {
    const size_t close = key.find('}', open + 1);
    if (close != std::string::npos && close != open + 1) {
      tag = key.substr(open + 1, close - open - 1);
    }
  }
  uint16_t crc = 0;
  for (const unsigned char byte : tag) {
    crc = static_cast<uint16_t>(crc ^ (byte << 8));
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
  }
  return crc % kSlots;
}

Cluster::Cluster(Options options) : options_(std::move(options)) {
  const auto primaries = static_cast<size_t>(options_.primaries);
  const size_t total = primaries * (1 + static_cast<size_t>(options_.replicas_each));
  for (size_t i = 0; i < total; ++i) StartNode();
  for (size_t i = 0; i < primaries; ++i) {
    const int first = static_cast<int>(i * kSlots / primaries);
    const int last = static_cast<int>((i + 1) * kSlots / primaries) - 1;
    Expect(node(i), {"CLUSTER", "ADDSLOTSRANGE", std::to_string(first), std::to_string(last)});
    Expect(node(i), {"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
  }
  for (size_t i = 1; i < total; ++i) Meet(i, 0);
  const bool met = Eventually([&] {
    for (size_t i = 0; i < total; ++i) {
      if (NodesLines(node(i)).size() != total) return false;
    }
    return true;
  });
  EXPECT_TRUE(met) << "the nodes do not know each other";
  for (size_t i = primaries; i < total; ++i) {
    const std::string& of = ids_[i % primaries];
    EXPECT_TRUE(Eventually([&] { return Ask(node(i), {"CLUSTER", "REPLICATE", of}) == "OK"; }));
  }
  EXPECT_TRUE(AwaitOk());
  for (size_t i = primaries; i < total; ++i) {
    EXPECT_TRUE(
        Eventually([&] { return node(i).Info("replication", "master_link_status") == "up"; }));
  }
}

void Cluster::StartNode() {
  buses_.push_back(std::make_unique<PortReservation>());
  std::vector<std::string> args = {"--cluster-enabled",
                                   "yes",
                                   "--cluster-port",
                                   std::to_string(buses_.back()->port()),
                                   "--cluster-config-file",
                                   "nodes.conf",
                                   "--cluster-node-timeout",
                                   std::to_string(options_.node_timeout_ms),
                                   "--cluster-allow-replica-migration",
                                   "no",
                                   "--repl-diskless-sync-delay",
                                   "0"};
  args.insert(args.end(), options_.args.begin(), options_.args.end());
  nodes_.push_back(std::make_unique<RedisServer>(args));
  ids_.push_back(Ask(*nodes_.back(), {"CLUSTER", "MYID"}));
}

void Cluster::Meet(size_t i, size_t whom) {
  Expect(node(i), {"CLUSTER", "MEET", "127.0.0.1", std::to_string(node(whom).port()),
                   std::to_string(buses_[whom]->port())});
}

std::string Cluster::url() const {
  std::string url = "redis+cluster://";
  for (const auto& node : nodes_) url += (url.back() == '/' ? "" : ",") + node->address();
  return url;
}

std::string Cluster::url(size_t only) const { return "redis+cluster://" + nodes_[only]->address(); }

size_t Cluster::PrimaryOf(uint16_t slot) {
  for (const auto& asked : nodes_) {
    if (!asked->process().Running()) continue;
    for (const auto& fields : NodesLines(*asked)) {
      if (fields[2].find("fail") != std::string::npos) continue;
      for (size_t i = 8; i < fields.size(); ++i) {
        if (fields[i].front() == '[') continue;
        const size_t dash = fields[i].find('-');
        const int first = std::stoi(fields[i]);
        const int last = dash == std::string::npos ? first : std::stoi(fields[i].substr(dash + 1));
        if (slot < first || slot > last) continue;
        return static_cast<size_t>(std::find(ids_.begin(), ids_.end(), fields[0]) - ids_.begin());
      }
    }
    break;
  }
  return size();
}

size_t Cluster::PrimaryOf(const std::string& key) { return PrimaryOf(SlotOf(key)); }

bool Cluster::KnowsReplica(size_t primary, size_t replica) {
  for (const auto& fields : NodesLines(node(primary))) {
    if (fields[0] == ids_[replica]) return fields[3] == ids_[primary];
  }
  return false;
}

std::string Cluster::KeyOn(size_t primary, int number) const {
  const auto primaries = static_cast<size_t>(options_.primaries);
  for (int i = 0;; ++i) {
    std::string key = "k" + std::to_string(number) + ":" + std::to_string(i);
    const size_t slot = SlotOf(key);
    if (slot >= primary * kSlots / primaries && slot < (primary + 1) * kSlots / primaries) {
      return key;
    }
  }
}

bool Cluster::AwaitOk() {
  return Eventually([&] {
    for (const auto& node : nodes_) {
      if (!node->process().Running()) continue;
      RawClient client(node->port());
      const std::string info = client.Text({"CLUSTER", "INFO"});
      if (info.find("cluster_state:ok") == std::string::npos ||
          info.find("cluster_slots_ok:16384") == std::string::npos) {
        return false;
      }
    }
    return true;
  });
}

void Cluster::MoveSlots(size_t from, size_t to, uint16_t first, uint16_t count) {
  RawClient source(node(from).port());
  RawClient target(node(to).port());
  for (int slot = first; slot < first + count; ++slot) {
    const std::string number = std::to_string(slot);
    EXPECT_EQ(target.Text({"CLUSTER", "SETSLOT", number, "IMPORTING", ids_[from]}), "OK");
    EXPECT_EQ(source.Text({"CLUSTER", "SETSLOT", number, "MIGRATING", ids_[to]}), "OK");
    for (;;) {
      const Reply keys = ParseReply(source.Command({"CLUSTER", "GETKEYSINSLOT", number, "100"}));
      if (keys.elements.empty()) break;
      std::vector<std::string> migrate = {
          "MIGRATE", "127.0.0.1", std::to_string(node(to).port()), "", "0", "5000", "KEYS"};
      for (const Reply& key : keys.elements) migrate.push_back(key.text);
      EXPECT_EQ(source.Text(migrate), "OK");
    }
    EXPECT_EQ(target.Text({"CLUSTER", "SETSLOT", number, "NODE", ids_[to]}), "OK");
    EXPECT_EQ(source.Text({"CLUSTER", "SETSLOT", number, "NODE", ids_[to]}), "OK");
  }
}

size_t Cluster::AddNode() {
  StartNode();
  const size_t i = size() - 1;
  Meet(i, 0);
  EXPECT_TRUE(Eventually([&] {
    for (size_t j = 0; j < size(); ++j) {
      if (!node(j).process().Running()) continue;
      const auto lines = NodesLines(node(j));
      const auto is_it = [&](const auto& fields) {
        return fields[0] == ids_[i] && fields[7] == "connected" &&
               fields[2].find("handshake") == std::string::npos;
      };
      if (std::none_of(lines.begin(), lines.end(), is_it)) return false;
    }
    return true;
  })) << "not all know the new node";
  return i;
}

void Cluster::RemoveNode(size_t i) {
  // Gossip brings back one that any other node still knows, so all must forget it in a minute.
  for (size_t j = 0; j < size(); ++j) {
    if (j != i && node(j).process().Running()) Expect(node(j), {"CLUSTER", "FORGET", ids_[i]});
  }
}

}  // namespace weir::harness
