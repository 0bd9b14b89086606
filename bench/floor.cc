// The floor: a server that answers "+OK" to each request it counts and does nothing else, so that
// its CPU time is what the kernel alone takes for one read and one write per batch of a client.
//
// It counts '*' bytes, which is right for the requests of bench/side_by_side.py only. A proxy pays
// this on its clients' side whatever it does; all that it takes beyond is its own. Usage: floor
// PORT
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

namespace {

std::array<char, 65536> input;
std::string answers;

void Serve(int fd) {
  const ssize_t n = read(fd, input.data(), input.size());
  if (n <= 0) {
    close(fd);
    return;
  }
  const auto requests = static_cast<size_t>(std::count(input.begin(), input.begin() + n, '*'));
  if (requests != 0 && write(fd, answers.data(), 5 * requests) < 0) close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (size_t i = 0; i < input.size(); ++i) answers += "+OK\r\n";
  const int on = 1;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return 1;
  if (listen(listener, 4096) != 0) return 1;

  const int epoll = epoll_create1(0);
  const auto watch = [epoll](int fd) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  };
  watch(listener);
  std::array<epoll_event, 1024> events;
  for (;;) {
    const int n = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd != listener) {
        Serve(fd);
        continue;
      }
      const int client = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      watch(client);
    }
  }
}
