// New connections are dealt evenly over the workers, whenever they come and go.
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class WorkersTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const RedisServer& redis, int workers) {
    WeirConfig config;
    config.url = redis.url();
    config.workers = workers;
    return config;
  }
  // Clients of each worker, from INFO weir.
  static std::vector<int> Clients(RawClient* asker) {
    std::vector<int> clients;
    std::istringstream counts(ParseInfo(asker->Text({"INFO", "weir"}))["weir_clients_by_worker"]);
    for (std::string count; std::getline(counts, count, ',');) clients.push_back(std::stoi(count));
    return clients;
  }
  static void ExpectEven(const std::vector<int>& clients, size_t workers, int total) {
    ASSERT_EQ(clients.size(), workers);
    int sum = 0;
    for (const int n : clients) sum += n;
    EXPECT_EQ(sum, total);
    for (const int n : clients) {
      EXPECT_GE(n, total / static_cast<int>(workers));
      EXPECT_LE(n, total / static_cast<int>(workers) + 1);
    }
  }
  RedisServer redis_;
};

TEST_F(WorkersTest, ConnectionsAreDealtEvenly) {
  WeirServer weir(Config(redis_, 4));
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 41; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir.port()));
    ASSERT_EQ(clients.back()->Text({"PING"}), "PONG");
  }
  ExpectEven(Clients(clients[0].get()), 4, 41);
}

TEST_F(WorkersTest, GapsAreFilledFirst) {
  WeirServer weir(Config(redis_, 3));
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir.port()));
    ASSERT_EQ(clients.back()->Text({"PING"}), "PONG");
  }
  // Every third goes, which empties one worker if they were dealt round and round.
  for (size_t i = 1; i < 30; i += 3) clients[i]->Text({"QUIT"});
  RawClient* asker = clients[0].get();
  ASSERT_TRUE(Eventually([&] {
    int sum = 0;
    for (const int n : Clients(asker)) sum += n;
    return sum == 20;
  }));
  for (int i = 0; i < 10; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir.port()));
    ASSERT_EQ(clients.back()->Text({"PING"}), "PONG");
  }
  ExpectEven(Clients(asker), 3, 30);
}

TEST_F(WorkersTest, ClientListSeesAllWorkers) {
  WeirServer weir(Config(redis_, 4));
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 16; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir.port()));
    ASSERT_EQ(clients.back()->Text({"CLIENT", "SETNAME", "c" + std::to_string(i)}), "OK");
  }
  const std::string list = clients[0]->Text({"CLIENT", "LIST"});
  for (int i = 0; i < 16; ++i) {
    EXPECT_NE(list.find(" name=c" + std::to_string(i) + " "), std::string::npos) << list;
  }
  // And kills on all of them.
  EXPECT_EQ(clients[0]->Command({"CLIENT", "KILL", "TYPE", "normal"}), ":15\r\n");
  for (size_t i = 1; i < 16; ++i) EXPECT_EQ(clients[i]->ReadUntilClose(), "");
  EXPECT_EQ(clients[0]->Text({"PING"}), "PONG");
}

TEST_F(WorkersTest, OneIsEnough) {
  WeirServer weir(Config(redis_, 1));
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"SET", "k", "v"}), "OK");
  EXPECT_EQ(client.Text({"GET", "k"}), "v");
}

}  // namespace
}  // namespace weir::harness
