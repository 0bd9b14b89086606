// Clients that count.
#include "tests/support/cluster_load.h"

#include <gtest/gtest.h>

#include "tests/support/raw_client.h"

namespace weir::harness {

ClusterLoad::ClusterLoad(uint16_t port, const Cluster& cluster, size_t nodes, int clients)
    : nodes_(nodes) {
  for (size_t i = 0; i < nodes * static_cast<size_t>(clients); ++i) {
    tallies_.push_back(std::make_unique<Tally>());
    tallies_.back()->counter = cluster.KeyOn(i % nodes, 1000 + static_cast<int>(i));
  }
  for (size_t i = 0; i < tallies_.size(); ++i) {
    threads_.emplace_back([this, port, i] { Run(port, i); });
  }
}

ClusterLoad::~ClusterLoad() { Stop(); }

void ClusterLoad::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void ClusterLoad::Run(uint16_t port, size_t index) {
  Tally& tally = *tallies_[index];
  RawClient client(port);
  const std::string name = "{" + tally.counter + "}name";
  const std::string value = "client " + std::to_string(index);
  const std::string set = client.Text({"SET", name, value});
  if (set != "OK") tally.wrong.push_back("SET: " + set);
  constexpr int kPairs = 4;
  std::string batch;
  for (int i = 0; i < kPairs; ++i) batch += Encode({"GET", name}) + Encode({"INCR", tally.counter});
  while (!stop_ && tally.wrong.empty()) {
    client.Send(batch);
    for (int i = 0; i < kPairs; ++i) {
      const std::string got = client.ReadFrame();
      if (got != Bulk(value) && got.front() != '-') {
        // A primary that died may have taken the name with it.
        if (got != "$-1\r\n") tally.wrong.push_back("GET: " + Printable(got));
      }
      const std::string counted = client.ReadFrame();
      if (counted.front() == ':') {
        ++tally.acknowledged;
        tally.highest = std::max(tally.highest, int64_t{std::stoll(counted.substr(1))});
      } else if (counted.starts_with("-UNKNOWN ") || counted.starts_with("-TIMEOUT ")) {
        ++tally.unknown;
      } else if (counted.front() == '-') {
        ++tally.refused;
        tally.last_refusal = counted;
      } else {
        tally.wrong.push_back("INCR: " + Printable(counted));
      }
      ++tally.answers;
    }
  }
}

bool ClusterLoad::AwaitProgress(size_t node, int64_t more) {
  std::vector<int64_t> wanted;
  for (const auto& tally : tallies_) wanted.push_back(tally->answers + more);
  return Eventually([&] {
    for (size_t i = node; i < tallies_.size(); i += nodes_) {
      if (tallies_[i]->answers < wanted[i]) return false;
    }
    return true;
  });
}

void ClusterLoad::Check(uint16_t port, bool may_lose, size_t refused_max) const {
  RawClient client(port);
  size_t refused = 0;
  std::string refusal;
  for (const auto& tally : tallies_) {
    EXPECT_TRUE(tally->wrong.empty()) << tally->counter << ": " << tally->wrong.front();
    const std::string text = client.Text({"GET", tally->counter});
    const int64_t counted = text == "(nil)" ? 0 : std::stoll(text);
    EXPECT_LE(counted, tally->acknowledged + tally->unknown)
        << tally->counter << ": some were done twice";
    if (!may_lose) {
      EXPECT_GE(counted, tally->acknowledged) << tally->counter << ": some were lost";
    }
    EXPECT_LE(tally->highest, tally->acknowledged + tally->unknown) << tally->counter;
    refused += static_cast<size_t>(tally->refused);
    if (tally->refused != 0) refusal = tally->last_refusal;
  }
  EXPECT_LE(refused, refused_max) << refusal;
}

}  // namespace weir::harness
