// What weir says when it has started is true: who is told "ready" can use all of it at once.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <string>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

// Stands in for systemd: the socket that NOTIFY_SOCKET names.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  std::string Await() {
    if (!WaitFor(fd_.get(), POLLIN, kPatience_ms)) return "(nothing)";
    char bytes[4096];
    const ssize_t size = recv(fd_.get(), bytes, sizeof bytes, 0);
    return size < 0 ? "" : std::string(bytes, static_cast<size_t>(size));
  }

 private:
  Fd fd_;
};

TEST(StartTest, ReadyIsSaidWhenClientsAndAdminAreServed) {
  const RedisServer redis;
  const PortReservation listener;
  const PortReservation admin;
  const TempDir dir;
  NotifySocket systemd(dir.path() + "/notify");
  Process weir({WeirServer::binary(), "--listen", listener.address(), "--admin", admin.address(),
                redis.url()},
               dir.path() + "/log", {"NOTIFY_SOCKET=" + dir.path() + "/notify"});
  const std::string ready = systemd.Await();
  EXPECT_TRUE(ready.starts_with("READY=1\n")) << ready;
  EXPECT_NE(ready.find(listener.address()), std::string::npos) << ready;
  EXPECT_EQ(HttpGet(admin.port(), "/readyz").status, 200);
  EXPECT_EQ(HttpGet(admin.port(), "/healthz").status, 200);
  EXPECT_EQ(RawClient(listener.port()).Text({"PING"}), "PONG");
  EXPECT_TRUE(Eventually([&] { return weir.output().find("started") != std::string::npos; }));
  weir.Signal(SIGTERM);
  EXPECT_TRUE(systemd.Await().starts_with("STOPPING=1\n"));
  EXPECT_EQ(weir.Wait(kPatience_ms), 0) << weir.output();
}

// Admin HTTP listens before clients are let in, and called weir ready as soon as the node was up.
TEST(StartTest, NotReadyBeforeClientsAreLetIn) {
  const PortReservation upstream;
  const Fd silent = ListenOn(upstream.port());  // weir waits a while for its first answer
  const PortReservation listener;
  const PortReservation admin;
  const TempDir dir;
  Process weir({WeirServer::binary(), "--listen", listener.address(), "--admin", admin.address(),
                "redis://" + upstream.address()},
               dir.path() + "/log");
  ASSERT_TRUE(Eventually([&] { return static_cast<bool>(ConnectTo(admin.port())); }));
  const HttpResponse ready = HttpGet(admin.port(), "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.body, "starting\n");
  EXPECT_EQ(HttpGet(admin.port(), "/healthz").status, 200);
}

}  // namespace
}  // namespace weir::harness
