// What programs do with hiredis on connections of their own: the same work direct and through weir
// must print the same.
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weir {
namespace {

constexpr int kPatience_s = 20;

struct Free {
  void operator()(redisContext* context) const { redisFree(context); }
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, Free>;
using Answer = std::unique_ptr<redisReply, Free>;
using Lines = std::vector<std::string>;

std::string Print(const redisReply* reply) {
  switch (reply->type) {
    case REDIS_REPLY_INTEGER:
      return std::to_string(reply->integer);
    case REDIS_REPLY_NIL:
      return "nil";
    case REDIS_REPLY_ERROR:
      return "error " + std::string(reply->str, reply->len);
    case REDIS_REPLY_ARRAY: {
      std::string all = "[";
      for (size_t i = 0; i < reply->elements; ++i) all += Print(reply->element[i]) + " ";
      return all + "]";
    }
    default:
      return std::string(reply->str, reply->len);
  }
}

// A connection that notes each reply, as text.
class Client {
 public:
  Client(const char* port_variable, Lines& seen)
      : context_(redisConnect("127.0.0.1", atoi(getenv(port_variable)))), seen_(seen) {
    EXPECT_TRUE(context_ != nullptr && context_->err == 0);
    redisSetTimeout(context_.get(), {kPatience_s, 0});
  }

  void Do(const char* command) {
    Send(command);
    Receive();
  }

  void Send(const char* command) {
    redisAppendCommand(context_.get(), command);
    int done = 0;
    while (!done && redisBufferWrite(context_.get(), &done) == REDIS_OK) {
    }
    EXPECT_EQ(done, 1) << context_->errstr;
  }

  void Receive() {
    void* reply = nullptr;
    ASSERT_EQ(redisGetReply(context_.get(), &reply), REDIS_OK) << context_->errstr;
    const Answer answer(static_cast<redisReply*>(reply));
    seen_.push_back(Print(answer.get()));
  }

  // Asks until the reply is `wanted`, noting none of them.
  void Await(const char* command, const std::string& wanted) {
    for (;;) {
      const Answer answer(static_cast<redisReply*>(redisCommand(context_.get(), command)));
      ASSERT_NE(answer, nullptr) << context_->errstr;
      if (Print(answer.get()) == wanted) return;
    }
  }

 private:
  Context context_;
  Lines& seen_;
};

using Work = std::function<void(Client& client, Client& other)>;

void Twice(const Work& work) {
  Lines direct;
  Lines through;
  for (const bool weir : {false, true}) {
    Lines& seen = weir ? through : direct;
    const char* port = weir ? "WEIR_PORT" : "REDIS_PORT";
    Client client(port, seen);
    Client other(port, seen);
    client.Do("FLUSHALL");
    work(client, other);
  }
  ASSERT_EQ(direct.size(), through.size());
  for (size_t i = 0; i < direct.size(); ++i) {
    ASSERT_EQ(through[i], direct[i]) << "reply " << i;
  }
  EXPECT_GT(direct.size(), 1u);
}

TEST(HiredisWorkTest, Transactions) {
  Twice([](Client& client, Client& other) {
    for (const char* command : {"MULTI", "SET t 1", "INCR t", "SELECT 3", "SET t three", "EXEC",
                                "GET t", "SELECT 0", "GET t", "MULTI", "SET t", "GET t", "EXEC",
                                "MULTI", "SET t 9", "DISCARD", "GET t", "WATCH t"}) {
      client.Do(command);
    }
    other.Do("SET t other");
    for (const char* command : {"MULTI", "SET t mine", "EXEC", "GET t", "EXEC", "DISCARD"}) {
      client.Do(command);
    }
    // As a pipeline.
    for (int i = 0; i < 200; ++i) {
      for (const char* command : {"MULTI", "INCR n", "EXEC", "GET n"}) client.Send(command);
    }
    for (int i = 0; i < 800; ++i) client.Receive();
  });
}

TEST(HiredisWorkTest, Blocking) {
  Twice([](Client& client, Client& other) {
    client.Send("BLPOP q1 q2 0");
    other.Do("RPUSH q2 a b");
    client.Receive();
    client.Do("BLPOP q1 0.05");
    client.Do("BRPOP q2 0");
    client.Send("BLMOVE q1 q3 LEFT RIGHT 0");
    client.Send("LRANGE q3 0 -1");
    other.Do("RPUSH q1 m");
    client.Receive();
    client.Receive();
  });
}

TEST(HiredisWorkTest, PubSub) {
  Twice([](Client& client, Client& other) {
    client.Do("SUBSCRIBE news sport");
    client.Receive();
    client.Do("PSUBSCRIBE n*");
    for (int i = 0; i < 50; ++i) other.Do("PUBLISH news m");
    for (int i = 0; i < 100; ++i) client.Receive();
    client.Do("GET k");
    client.Do("PING");
    // Without a name the order is Redis' secret, so only one is left then.
    client.Do("UNSUBSCRIBE news");
    client.Do("UNSUBSCRIBE");
    client.Do("PUNSUBSCRIBE");
    client.Do("GET k");
    other.Do("PUBLISH news unheard");
  });
}

TEST(HiredisWorkTest, ReplyModesInAPipeline) {
  Twice([](Client& client, Client& other) {
    client.Send("CLIENT REPLY OFF");
    client.Send("SET k unanswered");
    client.Send("INCR n");
    client.Do("CLIENT REPLY ON");
    client.Send("CLIENT REPLY SKIP");
    client.Send("INCR n");
    client.Do("INCR n");
    other.Await("GET n", "3");
    other.Do("GET k");
  });
}

}  // namespace
}  // namespace weir
