// CLIENT TRACKING … REDIRECT: to any other client of weir, whatever it does and wherever it is.
#include <string>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

constexpr char kMessage[] =
    "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nr\r\n";

class RedirectTest : public ThroughWeir {
 protected:
  // `client` reads key r, and somebody changes it.
  void Change(RawClient* client) {
    client->Command({"GET", "r"});
    EXPECT_EQ(RawClient(weir_.port()).Command({"INCR", "r"}).front(), ':');
  }
  void Track(RawClient* client, const std::string& id) {
    EXPECT_EQ(client->Command({"CLIENT", "TRACKING", "ON", "REDIRECT", id}), "+OK\r\n");
  }
};

// It had no connection of its own, and so could not be told to Redis.
TEST_F(RedirectTest, ToARESP3ClientThatSubscribesToNothing) {
  for (int i = 0; i < 4; ++i) {  // on the same worker and on another
    RawClient target(weir_.port()), client(weir_.port());
    target.Command({"HELLO", "3"});
    const std::string id = target.Text({"CLIENT", "ID"});
    Track(&client, id);
    EXPECT_EQ(client.Command({"CLIENT", "GETREDIR"}), ":" + id + "\r\n");
    EXPECT_NE(client.Text({"CLIENT", "INFO"}).find(" flags=t "), std::string::npos);
    EXPECT_NE(client.Text({"CLIENT", "INFO"}).find(" redir=" + id + " "), std::string::npos);
    Change(&client);
    EXPECT_EQ(target.ReadFrame(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nr\r\n");
    EXPECT_EQ(target.Text({"PING"}), "PONG");
    EXPECT_TRUE(target.Command({"GET", "r"}).starts_with("$"));
  }
}

TEST_F(RedirectTest, ToAClientWithRequestsUnderWay) {
  RawClient target(weir_.port()), client(weir_.port());
  target.Command({"HELLO", "3"});
  const std::string id = target.Text({"CLIENT", "ID"});
  std::string bytes, expected;
  for (int i = 0; i < 2000; ++i) {
    bytes += Encode({"ECHO", std::to_string(i)}) + Encode({"APPEND", "x" + std::to_string(i), "y"});
    expected += Bulk(std::to_string(i)) + ":1\r\n";
  }
  target.Send(bytes);
  Track(&client, id);
  std::string read;
  while (read.size() < expected.size()) {
    const std::string frame = target.ReadFrame();
    ASSERT_NE(frame, kTimedOut);
    read += frame;
  }
  EXPECT_EQ(read, expected);
  Change(&client);
  EXPECT_EQ(target.ReadFrame(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nr\r\n");
}

TEST_F(RedirectTest, ToOneself) {
  RawClient client(weir_.port());
  client.Command({"HELLO", "3"});
  Track(&client, client.Text({"CLIENT", "ID"}));
  Change(&client);
  EXPECT_EQ(client.ReadFrame(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nr\r\n");
}

// Redis tells a RESP2 client only while it subscribes to something, whatever that is.
TEST_F(RedirectTest, ToARESP2ClientWhileItSubscribes) {
  RawClient target(weir_.port()), client(weir_.port());
  const std::string id = target.Text({"CLIENT", "ID"});
  Track(&client, id);
  Change(&client);
  EXPECT_EQ(target.Text({"PING"}), "PONG") << "it subscribes to nothing";
  EXPECT_EQ(target.Command({"SUBSCRIBE", "news"}), "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
  // What others publish there is not for it.
  RawClient(redis_.port()).Command({"PUBLISH", "__redis__:invalidate", "x"});
  Change(&client);
  EXPECT_EQ(target.ReadFrame(), kMessage);
  EXPECT_EQ(RawClient(weir_.port()).Command({"PUBLISH", "news", "x"}), ":1\r\n");
  EXPECT_EQ(target.ReadFrame(), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n");
  EXPECT_EQ(target.Command({"UNSUBSCRIBE"}), "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:0\r\n");
  EXPECT_EQ(target.Text({"GET", "none"}), "(nil)");
  Change(&client);
  EXPECT_EQ(target.Text({"PING"}), "PONG");
  EXPECT_EQ(target.Text({"GET", "none"}), "(nil)");
}

TEST_F(RedirectTest, ToARESP2ClientThatSubscribesLater) {
  RawClient target(weir_.port()), client(weir_.port());
  Track(&client, target.Text({"CLIENT", "ID"}));
  EXPECT_EQ(target.Command({"SUBSCRIBE", "__redis__:invalidate"}),
            "*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:1\r\n");
  Change(&client);
  EXPECT_EQ(target.ReadFrame(), kMessage);
}

// The node names whom it cannot reach by its own number; the client knows another.
TEST_F(RedirectTest, TheTargetLeaves) {
  RawClient client(weir_.port());
  client.Command({"HELLO", "3"});
  std::string id;
  {
    RawClient target(weir_.port());
    target.Command({"HELLO", "3"});
    id = target.Text({"CLIENT", "ID"});
    Track(&client, id);
  }
  const auto gone = [&] {
    return redis_.Info("clients", "tracking_clients") == "1" &&
           RawClient(weir_.port()).Text({"CLIENT", "LIST", "ID", id}).empty();
  };
  EXPECT_TRUE(Eventually(gone));
  EXPECT_TRUE(Eventually([&] {
    client.Command({"GET", "r"});
    RawClient(weir_.port()).Command({"INCR", "r"});
    return !client.ReadAvailable(50).empty();
  }));
  EXPECT_NE(client.Text({"CLIENT", "INFO"}).find(" flags=tR "), std::string::npos);
  EXPECT_EQ(client.Command({"CLIENT", "GETREDIR"}), ":" + id + "\r\n");
  EXPECT_EQ(client.Command({"CLIENT", "TRACKING", "ON", "REDIRECT", id}),
            "-ERR The client ID you want redirect to does not exist\r\n");
}

TEST_F(RedirectTest, FlagsSayWhatIsTracked) {
  RawClient client(weir_.port());
  client.Command({"HELLO", "3"});
  EXPECT_EQ(client.Command({"CLIENT", "TRACKING", "ON", "BCAST"}), "+OK\r\n");
  EXPECT_NE(client.Text({"CLIENT", "INFO"}).find(" flags=tB "), std::string::npos);
  EXPECT_EQ(client.Command({"CLIENT", "TRACKING", "OFF"}), "+OK\r\n");
  EXPECT_NE(client.Text({"CLIENT", "INFO"}).find(" flags=N "), std::string::npos);
}

// The sweep of idle connections took a silent client's own one: what it tracked was lost, and it
// was closed.
TEST_F(RedirectTest, AConnectionOfItsOwnIsNotIdleWhileItIsHeld) {
  const RedisServer redis;
  WeirConfig config;
  config.url = redis.url();
  config.workers = 1;
  config.upstream = "idle_link_timeout_ms = 100\n";
  const WeirServer weir(config);
  RawClient tracks(weir.port()), watches(weir.port());
  tracks.Command({"HELLO", "3"});
  EXPECT_EQ(tracks.Command({"CLIENT", "TRACKING", "ON"}), "+OK\r\n");
  EXPECT_EQ(watches.Command({"WATCH", "w"}), "+OK\r\n");
  EXPECT_EQ(RawClient(weir.port()).Text({"GET", "x"}), "(nil)");
  // The shared link, which was used last, is closed as idle; so theirs would be, too.
  const auto only_theirs = [&] {
    const std::string list = RawClient(redis.port()).Text({"CLIENT", "LIST"});
    size_t links = 0;
    for (size_t at = 0; (at = list.find(" name=weir ", at)) != std::string::npos; ++at) ++links;
    return links <= 3;  // and the one that asks whether Redis is well
  };
  EXPECT_TRUE(Eventually(only_theirs));
  EXPECT_EQ(watches.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(watches.Command({"EXEC"}), "*0\r\n");
  EXPECT_EQ(tracks.Text({"PING"}), "PONG");
}

}  // namespace
}  // namespace weir::harness
