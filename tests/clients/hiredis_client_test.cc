// hiredis, the C client, doing ordinary work through weir: one by one, pipelined, binary, in a
// threaded crowd.
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace weir {
namespace {

struct Free {
  void operator()(redisContext* context) const { redisFree(context); }
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, Free>;
using Answer = std::unique_ptr<redisReply, Free>;

Context Connect() {
  Context context(redisConnect("127.0.0.1", atoi(getenv("WEIR_PORT"))));
  EXPECT_TRUE(context != nullptr && context->err == 0);
  return context;
}

template <typename... Args>
Answer Ask(const Context& context, const char* format, Args... args) {
  Answer answer(static_cast<redisReply*>(redisCommand(context.get(), format, args...)));
  EXPECT_NE(answer, nullptr) << context->errstr;
  return answer;
}

std::string Text(const Answer& answer) {
  return answer == nullptr || answer->str == nullptr ? "" : std::string(answer->str, answer->len);
}

TEST(HiredisTest, OneByOne) {
  const Context context = Connect();
  EXPECT_EQ(Text(Ask(context, "PING")), "PONG");
  EXPECT_EQ(Text(Ask(context, "SET %s %s", "hiredis:k", "v")), "OK");
  EXPECT_EQ(Text(Ask(context, "GET hiredis:k")), "v");
  EXPECT_EQ(Ask(context, "GET hiredis:nosuch")->type, REDIS_REPLY_NIL);
  EXPECT_EQ(Ask(context, "INCR hiredis:n")->integer, 1);
  const Answer error = Ask(context, "LPUSH hiredis:k x");
  EXPECT_EQ(error->type, REDIS_REPLY_ERROR);
  EXPECT_EQ(Text(error).substr(0, 9), "WRONGTYPE");
  Ask(context, "RPUSH hiredis:l a b c");
  const Answer list = Ask(context, "LRANGE hiredis:l 0 -1");
  ASSERT_EQ(list->elements, 3u);
  EXPECT_EQ(std::string(list->element[2]->str), "c");
}

TEST(HiredisTest, BinaryAndLarge) {
  const Context context = Connect();
  std::string value(5 << 20, '\0');
  for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 7 % 256);
  EXPECT_EQ(Text(Ask(context, "SET hiredis:large %b", value.data(), value.size())), "OK");
  EXPECT_TRUE(Text(Ask(context, "GET hiredis:large")) == value);
}

TEST(HiredisTest, Pipelined) {
  const Context context = Connect();
  for (int i = 0; i < 20000; ++i) redisAppendCommand(context.get(), "ECHO %d", i);
  for (int i = 0; i < 20000; ++i) {
    void* reply = nullptr;
    ASSERT_EQ(redisGetReply(context.get(), &reply), REDIS_OK) << context->errstr;
    ASSERT_EQ(Text(Answer(static_cast<redisReply*>(reply))), std::to_string(i));
  }
}

TEST(HiredisTest, Crowd) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t] {
      const Context context = Connect();
      for (int i = 0; i < 500; ++i) {
        EXPECT_EQ(Ask(context, "INCR hiredis:crowd:%d", t)->integer, i + 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace weir
