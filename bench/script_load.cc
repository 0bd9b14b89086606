// A load that redis-benchmark cannot make: clients that each go through a script of several steps,
// again and again, fast enough not to be what is measured.
//
// Usage: script_load PORT CLIENTS TIMES (SENT EXPECTED)...
// Warms up with a tenth of TIMES scripts, prints "ready", waits for a line on its input, runs TIMES
// scripts and prints the seconds that they took. Whatever is not EXPECTED ends it with an error.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Step {
  std::string_view sent, expected;
};

struct Client {
  int fd = -1;
  size_t step = 0;
  std::string heard;
};

[[noreturn]] void Fail(const char* what, std::string_view detail = {}) {
  fprintf(stderr, "script_load: %s %.*s\n", what, static_cast<int>(detail.size()), detail.data());
  exit(1);
}

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Fail("no connection");
  return fd;
}

class Load {
 public:
  Load(int port, size_t clients, std::vector<Step> script)
      : script_(std::move(script)), clients_(clients), epoll_(epoll_create1(0)) {
    for (size_t i = 0; i < clients; ++i) {
      clients_[i].fd = Connect(port);
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, clients_[i].fd, &event);
    }
  }

  void Run(size_t times) {
    to_begin_ = running_ = times;
    for (Client& client : clients_) Begin(&client);
    std::array<epoll_event, 256> events;
    while (running_ != 0) {
      const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 10'000);
      if (n <= 0) Fail("no answer within 10 s");
      for (int i = 0; i < n; ++i) Hear(&clients_[events[static_cast<size_t>(i)].data.u64]);
    }
  }

 private:
  void Begin(Client* client) {
    if (to_begin_ == 0) return;
    --to_begin_;
    Say(*client);
  }

  void Say(const Client& client) {
    const std::string_view sent = script_[client.step].sent;
    if (write(client.fd, sent.data(), sent.size()) != static_cast<ssize_t>(sent.size())) {
      Fail("a short write");
    }
  }

  void Hear(Client* client) {
    std::array<char, 4096> bytes;
    const ssize_t n = read(client->fd, bytes.data(), bytes.size());
    if (n <= 0) Fail("the connection was closed");
    client->heard.append(bytes.data(), static_cast<size_t>(n));
    const std::string_view expected = script_[client->step].expected;
    if (client->heard.size() < expected.size()) return;
    if (client->heard != expected) Fail("unexpected:", client->heard);
    client->heard.clear();
    client->step = (client->step + 1) % script_.size();
    if (client->step != 0) return Say(*client);
    --running_;
    Begin(client);
  }

  const std::vector<Step> script_;
  std::vector<Client> clients_;
  const int epoll_;
  size_t to_begin_ = 0;
  size_t running_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6 || argc % 2 != 0) Fail("usage: script_load PORT CLIENTS TIMES (SENT EXPECTED)...");
  std::vector<Step> script;
  for (int i = 4; i + 1 < argc; i += 2) script.push_back({argv[i], argv[i + 1]});
  const size_t times = strtoull(argv[3], nullptr, 10);
  Load load(atoi(argv[1]), strtoull(argv[2], nullptr, 10), std::move(script));
  load.Run(times / 10);
  puts("ready");
  fflush(stdout);
  if (getchar() == EOF) return 1;
  const auto start = std::chrono::steady_clock::now();
  load.Run(times);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  printf("%.6f\n", took.count());
  return 0;
}
