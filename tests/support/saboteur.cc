// A TCP middleman that does on command what networks do by accident.
#include "tests/support/saboteur.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace weir::harness {
namespace {

constexpr size_t kBacklogBytesMax = 4 << 20;  // of one direction; then the sender waits
constexpr size_t kReadBytes = 65536;

size_t Index(Direction direction) { return direction == Direction::kToServer ? 0 : 1; }

// Bytes on their way in one direction of one connection.
struct Lane {
  struct Piece {
    int64_t due_ms;
    std::string bytes;
  };
  std::deque<Piece> pieces;
  size_t backlog_bytes = 0;
  bool source_ended = false;
  bool end_passed_on = false;
};

struct Connection {
  std::array<Fd, 2> ends;     // [0]: who connected (weir), [1]: Redis
  std::array<Lane, 2> lanes;  // lane i flows from ends[i] to ends[1 - i]
  bool dead = false;
};

struct Rules {
  int delay_ms = 0;
  bool blackhole = false;
  size_t bytes_per_second = 0;
  size_t cut_left = Saboteur::kNever;
  double allowance = 0;  // bytes that the throttle lets pass now
};

}  // namespace

struct Saboteur::Core {
  uint16_t port = 0;
  uint16_t target_port = 0;
  Fd listener;
  Fd wake;
  std::thread thread;

  mutable std::mutex mutex;  // guards all below
  bool stopping = false;
  bool recording = false;
  bool cut_done = false;
  Breakage cut_how = Breakage::kClose;
  std::array<Rules, 2> rules;
  std::array<size_t, 2> passed{};
  std::array<std::string, 2> recorded;
  std::list<Connection> connections;
  size_t accepted = 0;
  int64_t last_refill_ms = 0;

  void Wake() const {
    const uint64_t one = 1;
    if (write(wake.get(), &one, sizeof one) < 0) perror("saboteur");
  }

  void Loop();
  int PollOnce(std::vector<pollfd>* fds, std::vector<std::pair<Connection*, size_t>>* owners);
  void Accept();
  void BreakAll(Breakage how);
  void ReadInto(Connection* connection, size_t lane);
  void Pass(Connection* connection, size_t lane);
  size_t Permitted(size_t lane) const;
  void Refill();
};

void Saboteur::Core::Accept() {
  Fd client(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) return;
  ++accepted;
  Fd server = ConnectTo(target_port);
  if (!server) {
    client.Reset();
    return;
  }
  Connection& connection = connections.emplace_back();
  connection.ends[0] = std::move(client);
  connection.ends[1] = std::move(server);
}

void Saboteur::Core::BreakAll(Breakage how) {
  for (Connection& connection : connections) {
    for (Fd& end : connection.ends) {
      if (how == Breakage::kReset) {
        end.Reset();
      } else {
        end.Close();
      }
    }
    connection.dead = true;
  }
}

void Saboteur::Core::ReadInto(Connection* connection, size_t lane_index) {
  Lane& lane = connection->lanes[lane_index];
  std::string buffer(kReadBytes, '\0');
  const ssize_t n =
      recv(connection->ends[lane_index].get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n > 0) {
    buffer.resize(static_cast<size_t>(n));
    lane.backlog_bytes += buffer.size();
    lane.pieces.push_back({NowMs() + rules[lane_index].delay_ms, std::move(buffer)});
  } else if (n == 0) {
    lane.source_ended = true;
  } else if (errno != EAGAIN && errno != EINTR) {
    // A reset of one side is passed on as a reset.
    connection->ends[0].Reset();
    connection->ends[1].Reset();
    connection->dead = true;
  }
}

size_t Saboteur::Core::Permitted(size_t lane) const {
  const Rules& rule = rules[lane];
  if (rule.blackhole) return 0;
  size_t permitted = rule.cut_left;
  if (rule.bytes_per_second > 0) {
    permitted = std::min(permitted, static_cast<size_t>(rule.allowance));
  }
  return permitted;
}

void Saboteur::Core::Refill() {
  const int64_t now_ms = NowMs();
  for (Rules& rule : rules) {
    const double rate = static_cast<double>(rule.bytes_per_second);
    rule.allowance += rate * static_cast<double>(now_ms - last_refill_ms) / 1000;
    rule.allowance = std::min(rule.allowance, std::max(1.0, rate / 20));  // no burst over 50 ms
  }
  last_refill_ms = now_ms;
}

void Saboteur::Core::Pass(Connection* connection, size_t lane_index) {
  Lane& lane = connection->lanes[lane_index];
  Rules& rule = rules[lane_index];
  while (!connection->dead && !lane.pieces.empty() && lane.pieces.front().due_ms <= NowMs()) {
    std::string& bytes = lane.pieces.front().bytes;
    const size_t permitted = std::min(bytes.size(), Permitted(lane_index));
    if (permitted == 0) break;
    const ssize_t n = send(connection->ends[1 - lane_index].get(), bytes.data(), permitted,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n <= 0) break;
    const size_t sent = static_cast<size_t>(n);
    if (recording) recorded[lane_index].append(bytes, 0, sent);
    bytes.erase(0, sent);
    lane.backlog_bytes -= sent;
    passed[lane_index] += sent;
    if (rule.bytes_per_second > 0) rule.allowance -= static_cast<double>(sent);
    if (bytes.empty()) lane.pieces.pop_front();
    if (rule.cut_left != Saboteur::kNever) {
      rule.cut_left -= sent;
      if (rule.cut_left == 0) {
        rule.cut_left = Saboteur::kNever;
        cut_done = true;
        if (cut_how == Breakage::kStall) {
          rule.blackhole = true;
        } else {
          BreakAll(cut_how);
        }
        return;
      }
    }
  }
  if (lane.source_ended && lane.pieces.empty() && !lane.end_passed_on && !rule.blackhole) {
    shutdown(connection->ends[1 - lane_index].get(), SHUT_WR);
    lane.end_passed_on = true;
    if (connection->lanes[1 - lane_index].end_passed_on) connection->dead = true;
  }
}

// Fills in what to wait for, and answers for how long at most.
int Saboteur::Core::PollOnce(std::vector<pollfd>* fds,
                             std::vector<std::pair<Connection*, size_t>>* owners) {
  fds->assign({{wake.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}});
  owners->clear();
  int wait_ms = -1;
  for (Connection& connection : connections) {
    for (size_t i = 0; i < 2; ++i) {
      const Lane& in = connection.lanes[i];
      const Lane& out = connection.lanes[1 - i];
      short events = 0;
      if (!in.source_ended && in.backlog_bytes < kBacklogBytesMax) events |= POLLIN;
      if (!out.pieces.empty()) {
        const int64_t due_in_ms = out.pieces.front().due_ms - NowMs();
        if (due_in_ms > 0) {
          wait_ms = wait_ms < 0 ? static_cast<int>(due_in_ms)
                                : std::min(wait_ms, static_cast<int>(due_in_ms));
        } else if (Permitted(1 - i) > 0) {
          events |= POLLOUT;
        } else if (rules[1 - i].bytes_per_second > 0) {
          wait_ms = wait_ms < 0 ? 2 : std::min(wait_ms, 2);
        }
      }
      // With no event asked for, poll still reports a hang-up, over and over: leave such an end
      // out.
      fds->push_back({events == 0 ? -1 : connection.ends[i].get(), events, 0});
      owners->emplace_back(&connection, i);
    }
  }
  return wait_ms;
}

void Saboteur::Core::Loop() {
  std::vector<pollfd> fds;
  std::vector<std::pair<Connection*, size_t>> owners;
  std::unique_lock lock(mutex);
  last_refill_ms = NowMs();
  while (!stopping) {
    connections.remove_if([](const Connection& connection) { return connection.dead; });
    const int wait_ms = PollOnce(&fds, &owners);
    lock.unlock();
    poll(fds.data(), fds.size(), wait_ms);
    lock.lock();
    Refill();
    if (fds[0].revents != 0) {
      uint64_t ignored;
      if (read(wake.get(), &ignored, sizeof ignored) < 0) perror("saboteur");
    }
    // The test may have broken connections meanwhile, but only this loop takes them off the list.
    for (size_t i = 0; i < owners.size(); ++i) {
      auto [connection, end] = owners[i];
      if (!connection->dead && (fds[i + 2].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        ReadInto(connection, end);
      }
    }
    for (Connection& connection : connections) {
      for (size_t lane = 0; lane < 2; ++lane) {
        if (!connection.dead) Pass(&connection, lane);
      }
    }
    if ((fds[1].revents & POLLIN) != 0 && listener) Accept();
  }
}

Saboteur::Saboteur(uint16_t target_port) : core_(std::make_unique<Core>()) {
  core_->port = port();
  core_->target_port = target_port;
  core_->wake = Fd(eventfd(0, EFD_CLOEXEC));
  core_->listener = ListenOn(port());
  core_->thread = std::thread([core = core_.get()] { core->Loop(); });
}

Saboteur::~Saboteur() {
  {
    const std::lock_guard lock(core_->mutex);
    core_->stopping = true;
  }
  core_->Wake();
  core_->thread.join();
}

void Saboteur::CutAfter(Direction direction, size_t count, Breakage how) {
  const std::lock_guard lock(core_->mutex);
  core_->cut_done = false;
  core_->cut_how = how;
  if (count == 0) {
    core_->cut_done = true;
    core_->BreakAll(how);
  } else {
    core_->rules[Index(direction)].cut_left = count;
  }
  core_->Wake();
}

bool Saboteur::cut_done() const {
  const std::lock_guard lock(core_->mutex);
  return core_->cut_done;
}

void Saboteur::Break(Breakage how) {
  const std::lock_guard lock(core_->mutex);
  core_->BreakAll(how);
  core_->Wake();
}

void Saboteur::Delay(Direction direction, int delay_ms) {
  const std::lock_guard lock(core_->mutex);
  core_->rules[Index(direction)].delay_ms = delay_ms;
  core_->Wake();
}

void Saboteur::Blackhole(Direction direction, bool on) {
  const std::lock_guard lock(core_->mutex);
  core_->rules[Index(direction)].blackhole = on;
  core_->Wake();
}

void Saboteur::Throttle(Direction direction, size_t bytes_per_second) {
  const std::lock_guard lock(core_->mutex);
  core_->rules[Index(direction)].bytes_per_second = bytes_per_second;
  core_->Wake();
}

void Saboteur::Inject(Direction direction, const std::string& bytes) {
  const std::lock_guard lock(core_->mutex);
  for (Connection& connection : core_->connections) {
    Lane& lane = connection.lanes[Index(direction)];
    lane.backlog_bytes += bytes.size();
    lane.pieces.push_back({NowMs(), bytes});
  }
  core_->Wake();
}

void Saboteur::Refuse(bool on) {
  const std::lock_guard lock(core_->mutex);
  if (on) {
    // The thread may be in poll with it, which would keep a socket that was only closed listening
    // until that thread has run again.
    shutdown(core_->listener.get(), SHUT_RDWR);
    core_->listener.Close();
  } else {
    core_->listener = ListenOn(port());
    if (!core_->listener) perror("saboteur cannot listen again");
  }
  core_->Wake();
}

size_t Saboteur::connections() const {
  const std::lock_guard lock(core_->mutex);
  return static_cast<size_t>(
      std::count_if(core_->connections.begin(), core_->connections.end(),
                    [](const Connection& connection) { return !connection.dead; }));
}

size_t Saboteur::connections_total() const {
  const std::lock_guard lock(core_->mutex);
  return core_->accepted;
}

size_t Saboteur::bytes(Direction direction) const {
  const std::lock_guard lock(core_->mutex);
  return core_->passed[Index(direction)];
}

size_t Saboteur::connections_closed() const {
  const std::lock_guard lock(core_->mutex);
  size_t alive = 0;
  for (const Connection& connection : core_->connections) alive += connection.dead ? 0 : 1;
  return core_->accepted - alive;
}

void Saboteur::Record() {
  const std::lock_guard lock(core_->mutex);
  core_->recording = true;
  for (std::string& bytes : core_->recorded) bytes.clear();
}

std::string Saboteur::recorded(Direction direction) const {
  const std::lock_guard lock(core_->mutex);
  return core_->recorded[Index(direction)];
}

}  // namespace weir::harness
