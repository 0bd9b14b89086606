// What the service manager hears: a datagram for each state, and nothing where nobody listens.
#include "proxy/service.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace weir {
namespace {

// Stands in for systemd.
class ServiceManager : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "/weir_notify_" + std::to_string(getpid());
    unlink(path_.c_str());
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    close(fd_);
    unlink(path_.c_str());
  }
  // Datagrams over a Unix socket are there when send returns.
  std::string Heard() const {
    char bytes[4096];
    const ssize_t size = recv(fd_, bytes, sizeof(bytes), 0);
    return size < 0 ? "" : std::string(bytes, static_cast<size_t>(size));
  }

  std::string path_;
  int fd_ = -1;
};

TEST_F(ServiceManager, HearsEachState) {
  NotifyReady("serving");
  EXPECT_EQ(Heard(), "READY=1\nSTATUS=serving");
  NotifyStatus("3 clients\nSTOPPING=1");
  EXPECT_EQ(Heard(), "STATUS=3 clients STOPPING=1");
  NotifyAlive();
  EXPECT_EQ(Heard(), "WATCHDOG=1");
  NotifyStopping();
  EXPECT_EQ(Heard(), "STOPPING=1\nSTATUS=draining");
}

TEST_F(ServiceManager, HearsNothingWhenItDoesNotListen) {
  unsetenv("NOTIFY_SOCKET");
  NotifyReady("serving");
  EXPECT_EQ(Heard(), "");
}

TEST_F(ServiceManager, IsToldTwiceInTheTimeThatItTolerates) {
  EXPECT_EQ(WatchdogIntervalMs(), 0);
  setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(WatchdogIntervalMs(), 15000);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(WatchdogIntervalMs(), 0) << "another process is watched";
}

}  // namespace
}  // namespace weir
