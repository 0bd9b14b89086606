// Unix sockets on both sides.
#include <sys/stat.h>

#include <string>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

TEST(UnixSocketTest, OnBothSides) {
  RedisServer redis;
  const TempDir dir;
  const std::string path = dir.path() + "/weir.sock";
  WeirConfig config;
  config.url = "unix://" + redis.unix_path() + "?db=3";
  config.rest = "[[listener]]\naddress = \"unix:" + path + "\"\nunix_mode = \"0770\"\n";
  WeirServer weir(config);
  RawClient client(path);
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  EXPECT_EQ(client.Text({"GET", "k"}), "v");
  const std::string value(3 << 20, 'x');
  EXPECT_EQ(client.Text({"SET", "k", value}), "OK");
  EXPECT_TRUE(client.Text({"GET", "k"}) == value);
  EXPECT_NE(client.Text({"CLIENT", "LIST"}).find(path), std::string::npos);
  RawClient tcp(weir.port());
  EXPECT_EQ(tcp.Text({"STRLEN", "k"}), std::to_string(value.size()));
  RawClient direct(redis.port());
  direct.Text({"SELECT", "3"});
  EXPECT_EQ(direct.Text({"EXISTS", "k"}), "1");
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0770u);
}

TEST(UnixSocketTest, ErrorsNameThePath) {
  const TempDir dir;
  WeirConfig config;
  config.url = "unix://" + dir.path() + "/nobody.sock";
  config.upstream = "offline_queue_age_max_ms = 100\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  const std::string answer = client.Text({"GET", "k"});
  EXPECT_TRUE(answer.starts_with("-DOWN weir: no connection to ")) << answer;
  EXPECT_NE(answer.find("nobody.sock"), std::string::npos) << answer;
}

// A file that a killed weir left behind is no obstacle; a living weir's socket is.
TEST(UnixSocketTest, StaleFileIsReplaced) {
  RedisServer redis;
  const TempDir dir;
  const std::string path = dir.path() + "/weir.sock";
  WeirConfig config;
  config.url = redis.url();
  config.rest = "[[listener]]\naddress = \"unix:" + path + "\"\n";
  {
    const std::string text = "[[listener]]\naddress = \"unix:" + path +
                             "\"\n[upstream.default]\nurl = \"" + redis.url() +
                             "\"\n[admin]\naddress = \"off\"\n";
    Process killed({WeirServer::binary(), "--config", dir.Write("weir.toml", text)},
                   dir.path() + "/log");
    ASSERT_TRUE(Eventually([&] { return static_cast<bool>(ConnectToUnix(path)); }))
        << killed.output();
  }
  WeirServer weir(config);
  RawClient client(path);
  EXPECT_EQ(client.Text({"PING"}), "PONG");
}

}  // namespace
}  // namespace weir::harness
