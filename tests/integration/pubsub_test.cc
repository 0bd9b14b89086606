// Subscriptions through weir, compared with Redis byte by byte: acknowledgements, messages, modes,
// counts over workers, and the bounds that only weir has.
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

using Args = std::vector<std::string>;

std::string EncodeAll(const std::vector<Args>& requests) {
  std::string bytes;
  for (const Args& args : requests) bytes += Encode(args);
  return bytes;
}

std::string Ack(const std::string& word, const std::string& name, int count) {
  return "*3\r\n" + Bulk(word) + Bulk(name) + ":" + std::to_string(count) + "\r\n";
}
std::string Message(const std::string& channel, const std::string& text) {
  return "*3\r\n" + Bulk("message") + Bulk(channel) + Bulk(text);
}

class PubsubTest : public BesideRedis {
 protected:
  // The same requests on a new connection to each; what both say up to a last ECHO's or PING's
  // reply must be equal. In RESP2 the script must not end subscribed unless it ends with PING.
  void ExpectSame(int protocol_version, const std::vector<Args>& requests) {
    for (const bool pipelined : {true, false}) {
      if (HasFailure()) return;  // the next would only wait, too
      RawClient direct(direct_.port());
      RawClient through(weir_.port());
      direct.set_timeout_ms(5000);
      through.set_timeout_ms(5000);
      if (protocol_version == 3) {
        direct.Command({"HELLO", "3"});
        through.Command({"HELLO", "3"});
      }
      const std::string expected = Say(&direct, requests, pipelined);
      EXPECT_EQ(Printable(Say(&through, requests, pipelined), 4000), Printable(expected, 4000))
          << (pipelined ? "pipelined" : "singly") << ", RESP" << protocol_version;
    }
  }

  // What is heard up to the last PING's reply.
  static std::string Say(RawClient* client, const std::vector<Args>& requests, bool pipelined) {
    std::string heard;
    if (pipelined) {
      client->Send(EncodeAll(requests) + Encode({"PING", "the end"}));
      HearUntil(client, "the end", &heard);
      return heard;
    }
    for (size_t i = 0; i < requests.size(); ++i) {
      client->Send(Encode(requests[i]) + Encode({"PING", "mark " + std::to_string(i)}));
      HearUntil(client, "mark " + std::to_string(i), &heard);
    }
    return heard;
  }

  static void HearUntil(RawClient* client, const std::string& mark, std::string* heard) {
    for (;;) {
      const std::string frame = client->ReadFrame();
      *heard += frame;
      if (frame == Bulk(mark) || frame == "*2\r\n" + Bulk("pong") + Bulk(mark)) return;
      if (frame.find(kTimedOut) != frame.npos || frame.find(kClosed) != frame.npos) return;
    }
  }
};

const std::vector<std::vector<Args>>& Scripts() {
  static const std::vector<std::vector<Args>> kScripts = {
      // Acknowledgements: several, twice the same, what was not subscribed to, nothing left.
      {{"SUBSCRIBE", "a", "b", "a"},
       {"SUBSCRIBE", "b"},
       {"UNSUBSCRIBE", "x", "a", "a"},
       {"UNSUBSCRIBE"},
       {"UNSUBSCRIBE"},
       {"PUNSUBSCRIBE"},
       {"SUNSUBSCRIBE"},
       {"UNSUBSCRIBE", "y"}},
      {{"PSUBSCRIBE", "p*", "q?"},
       {"SUBSCRIBE", "a"},
       {"SSUBSCRIBE", "s", "t"},
       {"PSUBSCRIBE", "p*"},
       {"PUNSUBSCRIBE", "q?"},
       {"SUNSUBSCRIBE", "s"},
       {"PUNSUBSCRIBE"},
       {"SUNSUBSCRIBE"},
       {"UNSUBSCRIBE"}},
      {{"PSUBSCRIBE", "1", "2", "3", "4", "5"}, {"PUNSUBSCRIBE"}},
      {{"SUBSCRIBE", ""}, {"PUBSUB", "CHANNELS"}, {"UNSUBSCRIBE", ""}, {"PUBSUB", "CHANNELS"}},
      // The mode: what is refused, and how; what is unknown; PING's two faces.
      {{"SUBSCRIBE", "a"},
       {"GET", "k"},
       {"GET"},
       {"NOSUCH"},
       {"CONFIG", "GET", "maxclients"},
       {"CONFIG", "NOSUCH"},
       {"CLIENT", "GETNAME"},
       {"CLIENT", "NOSUCH"},
       {"HELLO", "4"},
       {"AUTH", "x"},
       {"SELECT", "1"},
       {"MGET", "a", "b"},
       {"PUBLISH", "a", "x"},
       {"PING"},
       {"PING", "x"},
       {"PING", "x", "y"},
       {"SUBSCRIBE"},
       {"ECHO", "x"},
       {"UNSUBSCRIBE"},
       {"GET", "k"},
       {"PING"}},
      {{"PSUBSCRIBE", "a"},
       {"GET", "k"},
       {"RESET"},
       {"GET", "k"},
       {"SSUBSCRIBE", "a"},
       {"GET", "k"},
       {"SUNSUBSCRIBE"},
       {"GET", "k"},
       {"PUBSUB", "NUMPAT"},
       {"PUBSUB", "SHARDCHANNELS"}},
      // Arities.
      {{"SUBSCRIBE"},
       {"PSUBSCRIBE"},
       {"SSUBSCRIBE"},
       {"PUBLISH", "a"},
       {"PUBSUB"},
       {"PUBSUB", "NUMSUB"},
       {"PUBSUB", "NOSUCH"},
       {"PUBSUB", "NUMPAT", "x"}},
      // In the midst of others' replies.
      {{"SET", "k", "v"},
       {"GET", "k"},
       {"SUBSCRIBE", "a"},
       {"PING"},
       {"UNSUBSCRIBE"},
       {"GET", "k"},
       {"SUBSCRIBE", "a", "b"},
       {"UNSUBSCRIBE", "b", "a"},
       {"DEL", "k"}},
  };
  return kScripts;
}

TEST_F(PubsubTest, EveryAcknowledgementInResp2) {
  for (const auto& script : Scripts()) ExpectSame(2, script);
}

TEST_F(PubsubTest, EveryAcknowledgementInResp3) {
  for (const auto& script : Scripts()) {
    // UNSUBSCRIBE without arguments leaves channels in the order of a hash table.
    ExpectSame(3, script);
  }
}

// CLIENT REPLY: acknowledgements are pushes, which are never silenced; errors are.
TEST_F(PubsubTest, AcknowledgementsAreNotSilenced) {
  const std::string bytes = EncodeAll({{"CLIENT", "REPLY", "OFF"},
                                       {"SUBSCRIBE", "a"},
                                       {"SUBSCRIBE"},
                                       {"UNSUBSCRIBE"},
                                       {"GET", "k"},
                                       {"CLIENT", "REPLY", "ON"},
                                       {"CLIENT", "REPLY", "SKIP"},
                                       {"SUBSCRIBE", "a"},
                                       {"UNSUBSCRIBE"},
                                       {"CLIENT", "REPLY", "SKIP"},
                                       {"UNSUBSCRIBE"},
                                       {"GET", "k"},
                                       {"QUIT"}});
  ExpectSameUntilClose(bytes);
  ExpectSameUntilClose(Encode({"HELLO", "3", "NOSUCH"}) + bytes);
}

// RESP3: a client may publish to itself; its message comes before its reply.
TEST_F(PubsubTest, ToItself) {
  ExpectSame(3, {{"SET", "k", "v"},
                 {"GET", "k"},
                 {"SUBSCRIBE", "a"},
                 {"GET", "k"},
                 {"PUBLISH", "a", "1"},
                 {"GET", "k"},
                 {"PUBLISH", "b", "unheard"},
                 {"PUBLISH", "a", "2"},
                 {"PUBLISH", "a", "3"},
                 {"PSUBSCRIBE", "[ab]"},
                 {"PUBLISH", "a", "4"},
                 {"PUBLISH", "b", "5"},
                 {"SSUBSCRIBE", "a"},
                 {"SPUBLISH", "a", "6"},
                 {"PUBLISH", "a", std::string(100000, 'x')},
                 {"PUBSUB", "NUMSUB", "a", "b"},
                 {"PUBSUB", "SHARDNUMSUB", "a", "b"},
                 {"PUBSUB", "NUMPAT"},
                 {"UNSUBSCRIBE", "a"},
                 {"PUBLISH", "a", "7"},
                 {"HELLO", "2", "SETNAME", "x", "NOSUCH"},
                 {"PUNSUBSCRIBE"},
                 {"PUBLISH", "a", "8"},
                 {"SUNSUBSCRIBE"},
                 {"SPUBLISH", "a", "9"}});
}

// What the two clients of one worker in different protocols get is the same but for one byte.
TEST_F(PubsubTest, BothProtocolsAtOnce) {
  RawClient two(weir_.port());
  RawClient three(weir_.port());
  RawClient four(weir_.port());
  RawClient publisher(weir_.port());
  three.Command({"HELLO", "3"});
  four.Command({"HELLO", "3"});
  for (RawClient* client : {&two, &three, &four}) {
    client->Command({"SUBSCRIBE", "c"});
    client->Command({"PSUBSCRIBE", "c*"});
  }
  std::vector<std::string> texts;
  for (int i = 0; i < 300; ++i) texts.push_back(std::string(i % 7 == 0 ? 30000 + i : i, 'a'));
  std::string requests;
  for (const std::string& text : texts) requests += Encode({"PUBLISH", "c", text});
  publisher.Send(requests);
  for (const std::string& text : texts) {
    ASSERT_EQ(publisher.ReadFrame(), ":6\r\n");
    const std::string message = Message("c", text);
    const std::string pmessage = "*4\r\n" + Bulk("pmessage") + Bulk("c*") + Bulk("c") + Bulk(text);
    ASSERT_EQ(Printable(two.ReadFrame()), Printable(message));
    ASSERT_EQ(Printable(two.ReadFrame()), Printable(pmessage));
    for (RawClient* client : {&three, &four}) {
      ASSERT_EQ(Printable(client->ReadFrame()), Printable(">" + message.substr(1)));
      ASSERT_EQ(Printable(client->ReadFrame()), Printable(">" + pmessage.substr(1)));
    }
  }
  // From RESP3 to RESP2 in the midst of it: from then on it is told so.
  ASSERT_EQ(three.Command({"HELLO", "2"})[0], '*');
  ASSERT_EQ(publisher.Command({"PUBLISH", "c", "x"}), ":6\r\n");
  EXPECT_EQ(three.ReadFrame(), Message("c", "x"));
  EXPECT_EQ(four.ReadFrame(), ">" + Message("c", "x").substr(1));
}

// Each client counts, on whichever worker it is, and weir's own connections do not.
TEST_F(PubsubTest, CountsAreOfClients) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 7; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir_.port()));
    clients.back()->Command({"SUBSCRIBE", "c"});
    if (i < 3) clients.back()->Command({"PSUBSCRIBE", "[bc]"});
  }
  RawClient outsider(redis_.port());
  outsider.Command({"SUBSCRIBE", "c"});
  for (int i = 0; i < 4; ++i) {
    RawClient asker(weir_.port());  // on one worker and the other
    EXPECT_EQ(asker.Command({"PUBLISH", "c", "m"}), ":11\r\n");
    EXPECT_EQ(asker.Command({"PUBLISH", "b", "m"}), ":3\r\n");
    EXPECT_EQ(asker.Command({"PUBLISH", "x", "m"}), ":0\r\n");
    EXPECT_EQ(asker.Command({"PUBSUB", "NUMSUB", "c", "b"}),
              "*4\r\n$1\r\nc\r\n:8\r\n$1\r\nb\r\n:0\r\n");
    EXPECT_EQ(asker.Command({"PUBSUB", "NUMPAT"}), ":1\r\n");
    EXPECT_EQ(asker.Command({"PUBSUB", "CHANNELS"}), "*1\r\n$1\r\nc\r\n");
  }
  clients[6]->Send(Encode({"UNSUBSCRIBE", "c"}));
  std::string frame = clients[6]->ReadFrame();
  while (frame == Message("c", "m")) frame = clients[6]->ReadFrame();
  EXPECT_EQ(frame, Ack("unsubscribe", "c", 0));
  RawClient asker(weir_.port());
  EXPECT_EQ(asker.Command({"PUBLISH", "c", "m"}), ":10\r\n");
  clients[5].reset();
  EXPECT_TRUE(Eventually([&] { return asker.Command({"PUBLISH", "c", "m"}) == ":9\r\n"; }));
  clients.clear();
  EXPECT_TRUE(Eventually([&] { return asker.Command({"PUBLISH", "c", "m"}) == ":1\r\n"; }));
  EXPECT_TRUE(Eventually([&] {
    return redis_.Info("stats", "pubsub_channels").empty() ||
           asker.Command({"PUBSUB", "NUMSUB", "c"}) == "*2\r\n$1\r\nc\r\n:1\r\n";
  }));
}

// However many clients listen, upstream sees one connection a worker.
TEST_F(PubsubTest, OneSubscriptionUpstreamForEachWorker) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir_.port()));
    clients.back()->Command({"SUBSCRIBE", "c"});
  }
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Command({"PUBSUB", "NUMSUB", "c"}), "*2\r\n$1\r\nc\r\n:2\r\n");
  EXPECT_EQ(direct.Command({"PUBLISH", "c", "m"}), ":2\r\n");
  for (auto& client : clients) EXPECT_EQ(client->ReadFrame(), Message("c", "m"));
  EXPECT_EQ(weir_.Info("weir_subscribers"), "40");
  EXPECT_EQ(weir_.Info("weir_subscribed_channels"), "2");
  clients.clear();
  EXPECT_TRUE(Eventually([&] {
    return direct.Command({"PUBSUB", "NUMSUB", "c"}) == "*2\r\n$1\r\nc\r\n:0\r\n";
  }));
  EXPECT_TRUE(Eventually([&] { return weir_.Info("weir_subscribers") == "0"; }));
  EXPECT_EQ(weir_.Info("weir_subscribed_channels"), "0");
}

TEST_F(PubsubTest, ClientListShowsIt) {
  RawClient client(weir_.port());
  client.Command({"HELLO", "3", "SETNAME", "listener"});
  client.Send(Encode({"SUBSCRIBE", "a", "b"}) + Encode({"PSUBSCRIBE", "p"}) +
              Encode({"SSUBSCRIBE", "s", "t", "u"}));
  client.ReadFrames(6);
  RawClient asker(weir_.port());
  const std::string list = asker.Text({"CLIENT", "LIST", "TYPE", "PUBSUB"});
  EXPECT_NE(list.find("name=listener "), list.npos) << list;
  EXPECT_NE(list.find(" flags=P "), list.npos) << list;
  EXPECT_NE(list.find(" sub=2 psub=1 ssub=3 "), list.npos) << list;
  EXPECT_EQ(asker.Text({"CLIENT", "LIST", "TYPE", "NORMAL"}).find("listener"), list.npos);
  EXPECT_EQ(asker.Command({"CLIENT", "KILL", "TYPE", "PUBSUB"}), ":1\r\n");
  EXPECT_EQ(client.ReadUntilClose(), "");
}

// Messages wait for the end of a reply that is being said, and are not lost.
TEST_F(PubsubTest, NoMessageInTheMidstOfAReply) {
  RawClient client(weir_.port());
  RawClient publisher(weir_.port());
  // Two of them are less than a subscriber may have unread: Redis, too, counts its replies.
  const std::string large(10 << 20, 'L');
  RawClient(redis_.port()).Text({"SET", "large", large});
  client.Command({"HELLO", "3"});
  client.Command({"SUBSCRIBE", "c"});
  for (int round = 0; round < 3; ++round) {
    client.SendSome(Encode({"GET", "large"}) + Encode({"GET", "large"}) + Encode({"ECHO", "x"}));
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(publisher.Command({"PUBLISH", "c", std::to_string(i)}), ":1\r\n");
    }
    int replies = 0, messages = 0;
    while (replies < 3 || messages < 200) {
      const std::string frame = client.ReadFrame();
      if (frame == ">" + Message("c", std::to_string(messages)).substr(1)) {
        ++messages;
      } else if (replies < 2) {
        ASSERT_TRUE(frame == Bulk(large)) << Printable(frame);
        ++replies;
      } else {
        ASSERT_EQ(Printable(frame), Printable(Bulk("x")));
        ++replies;
      }
    }
  }
}

TEST_F(PubsubTest, LargeMessages) {
  RawClient client(weir_.port());
  RawClient publisher(weir_.port());
  client.Command({"SUBSCRIBE", "c"});
  for (const size_t size : {size_t{60000}, size_t{65536}, size_t{200000}, size_t{5} << 20}) {
    const std::string text(size, 'm');
    ASSERT_EQ(publisher.Command({"PUBLISH", "c", text}), ":1\r\n") << size;
    ASSERT_TRUE(client.ReadFrame() == Message("c", text)) << size;
    ASSERT_EQ(publisher.Command({"PUBLISH", "c", "small"}), ":1\r\n") << size;
    ASSERT_EQ(client.ReadFrame(), Message("c", "small")) << size;
  }
}

TEST_F(PubsubTest, SubscribersAreNotIdle) {
  WeirConfig config;
  config.url = redis_.url();
  config.limits = "client_idle_timeout_ms = 200\nclient_stall_timeout_ms = 200\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  RawClient idle(weir.port());
  client.Command({"SUBSCRIBE", "c"});
  EXPECT_EQ(idle.ReadUntilClose(), "");
  RawClient publisher(weir.port());
  EXPECT_EQ(publisher.Command({"PUBLISH", "c", "m"}), ":1\r\n");
  EXPECT_EQ(client.ReadFrame(), Message("c", "m"));
}

// ---- what only weir has

TEST_F(PubsubTest, WhatOneClientMaySubscribeTo) {
  WeirConfig config;
  config.url = redis_.url();
  config.limits = "client_subscriptions_max = 3\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  client.Send(Encode({"SUBSCRIBE", "a", "b"}) + Encode({"PSUBSCRIBE", "p", "q"}) +
              Encode({"PSUBSCRIBE", "p"}));
  EXPECT_EQ(client.ReadFrame(), Ack("subscribe", "a", 1));
  EXPECT_EQ(client.ReadFrame(), Ack("subscribe", "b", 2));
  EXPECT_EQ(client.ReadFrame(),
            "-ERR weir: a client may subscribe to no more than 3 channels and patterns "
            "(client_subscriptions_max)\r\n");
  EXPECT_EQ(client.ReadFrame(), Ack("psubscribe", "p", 3));
}

TEST_F(PubsubTest, ASlowSubscriberIsClosedAtItsBoundAndOthersGoOn) {
  // Without Redis' own bound, which would close weir's connection for the largest message.
  RedisServer redis({"--client-output-buffer-limit", "pubsub 0 0 0"});
  WeirConfig config;
  config.url = redis.url();
  config.workers = 1;
  config.limits =
      "subscriber_output_buffer_bytes_max = 4194304\n"
      "subscriber_output_buffer_soft_bytes_max = 1048576\nsubscriber_output_buffer_soft_s = 3600\n";
  WeirServer weir(config);
  RawClient slow(weir.port());
  RawClient quick(weir.port());
  RawClient publisher(weir.port());
  slow.Command({"SUBSCRIBE", "c"});
  quick.Command({"SUBSCRIBE", "c"});
  int sent = 0;
  const std::string text(10000, 't');
  while (weir.Info("weir_subscribers") == "2" && sent < 5000) {
    for (int i = 0; i < 50; ++i, ++sent) {
      const std::string reply = publisher.Command({"PUBLISH", "c", text});
      ASSERT_TRUE(reply == ":2\r\n" || reply == ":1\r\n") << reply;
      ASSERT_TRUE(quick.ReadFrame() == Message("c", text));
    }
  }
  EXPECT_EQ(weir.Info("weir_subscribers"), "1");
  EXPECT_GT(sent, 400);
  EXPECT_LT(sent, 4000);
  // A single message that nobody could have unread closes them too, and is never collected whole.
  const size_t before = weir.process().peak_rss_bytes();
  RawClient direct(redis.port());
  direct.Command({"PUBLISH", "c", std::string(100 << 20, 'h')});
  EXPECT_EQ(quick.ReadUntilClose(), "");
  if (!kSanitized) {
    EXPECT_LT(weir.process().peak_rss_bytes() - before, size_t{32} << 20);
  }
  RawClient again(weir.port());
  again.Command({"SUBSCRIBE", "c"});
  EXPECT_EQ(publisher.Command({"PUBLISH", "c", "m"}), ":1\r\n");
  EXPECT_EQ(again.ReadFrame(), Message("c", "m"));
}

TEST_F(PubsubTest, TheSoftBoundTakesTime) {
  WeirConfig config;
  config.url = redis_.url();
  config.workers = 1;
  config.limits =
      "subscriber_output_buffer_soft_bytes_max = 65536\nsubscriber_output_buffer_soft_s = 2\n";
  WeirServer weir(config);
  RawClient slow(weir.port());
  RawClient publisher(weir.port());
  slow.Command({"SUBSCRIBE", "c"});
  // More than sockets hold.
  for (int i = 0; i < 120; ++i) publisher.Command({"PUBLISH", "c", std::string(100000, 's')});
  const int64_t start_ms = NowMs();
  EXPECT_EQ(weir.Info("weir_subscribers"), "1");
  EXPECT_TRUE(Eventually([&] { return weir.Info("weir_subscribers") == "0"; }));
  EXPECT_GT(NowMs() - start_ms, 1000);
}

// What the user may not listen to is Redis' to say, at the place of the command.
TEST_F(PubsubTest, ChannelsThatAnAclForbids) {
  for (const RedisServer* redis : {&direct_, &redis_}) {
    RawClient admin(redis->port());
    ASSERT_EQ(admin.Text(
                  {"ACL", "SETUSER", "ann", "on", ">pw", "+@all", "~*", "resetchannels", "&open*"}),
              "OK");
  }
  WeirConfig config;
  config.url = redis_.url();
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  RawClient direct(direct_.port());
  RawClient through(weir.port());
  const std::string bytes = EncodeAll({{"AUTH", "ann", "pw"},
                                       {"GET", "k"},
                                       {"SUBSCRIBE", "open1"},
                                       {"SUBSCRIBE", "open2", "closed"},
                                       {"PSUBSCRIBE", "*"},
                                       {"PSUBSCRIBE", "open*"},
                                       {"SSUBSCRIBE", "closed"},
                                       {"SUBSCRIBE", "open1", "open3"},
                                       {"PING"}});
  ExpectSameReplies(&direct, &through, bytes, 10);
  RawClient other(weir.port());
  EXPECT_EQ(other.Command({"PUBLISH", "open2", "m"}), ":1\r\n") << "only the pattern";
  // Redis throws out whom the ACL no longer allows to listen; so does weir.
  for (const RedisServer* redis : {&direct_, &redis_}) {
    RawClient admin(redis->port());
    ASSERT_EQ(admin.Text({"ACL", "SETUSER", "ann", "resetchannels"}), "OK");
  }
  EXPECT_EQ(direct.ReadUntilClose(), "");
  const std::string end = through.ReadUntilClose();
  EXPECT_EQ(end.find(kTimedOut), end.npos) << Printable(end);
}

TEST_F(PubsubTest, ExplainSaysWhatItDoes) {
  RawClient client(weir_.port());
  const std::string text = client.Command({"WEIR", "EXPLAIN", "SUBSCRIBE", "c"});
  EXPECT_NE(text.find("plan: subscribe"), text.npos) << text;
  EXPECT_NE(text.find("why: weir subscribes once for all its clients"), text.npos) << text;
}

}  // namespace
}  // namespace weir::harness
