// A backend that answers what a test tells it to.
#include "tests/support/fake_backend.h"

#include <poll.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "tests/support/resp.h"

namespace weir::harness {
namespace {

struct Peer {
  Fd fd;
  std::string received;
  int protocol_version = 2;
  bool dead = false;
};

bool Is(const std::string& word, const char* name) { return strcasecmp(word.c_str(), name) == 0; }

std::string Hello(const Peer& peer) {
  const std::string fields = Bulk("server") + Bulk("redis") + Bulk("version") + Bulk("7.0.15") +
                             Bulk("proto") + ":" + std::to_string(peer.protocol_version) + "\r\n" +
                             Bulk("id") + ":1\r\n" + Bulk("mode") + Bulk("standalone") +
                             Bulk("role") + Bulk("master") + Bulk("modules") + "*0\r\n";
  return (peer.protocol_version == 3 ? "%7\r\n" : "*14\r\n") + fields;
}

// The answer to what weir asks on its own account; nothing for all else.
std::string Upkeep(const std::vector<std::string>& args, Peer* peer) {
  const std::string& name = args[0];
  if (Is(name, "HELLO")) {
    if (args.size() > 1) peer->protocol_version = atoi(args[1].c_str());
    return Hello(*peer);
  }
  if (Is(name, "AUTH") || Is(name, "SELECT") || Is(name, "CLIENT")) return "+OK\r\n";
  if (Is(name, "PING")) return args.size() > 1 ? Bulk(args[1]) : "+PONG\r\n";
  if (Is(name, "COMMAND")) return "*0\r\n";
  if (Is(name, "ROLE")) return "*3\r\n" + Bulk("master") + ":0\r\n*0\r\n";
  if (Is(name, "INFO")) {
    const std::string text =
        "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n"
        "run_id:0123456789012345678901234567890123456789\r\n\r\n"
        "# Replication\r\nrole:master\r\n";
    if (peer->protocol_version == 2) return Bulk(text);
    return "=" + std::to_string(text.size() + 4) + "\r\ntxt:" + text + "\r\n";
  }
  return "";
}

}  // namespace

struct FakeBackend::Core {
  Handler handler;
  Fd listener;
  Fd wake;
  std::thread thread;

  mutable std::mutex mutex;  // guards all below
  bool stopping = false;
  std::list<Peer> peers;
  std::vector<std::vector<std::string>> requests;
  std::function<std::string()> commands;

  void Loop();
  void Read(Peer* peer);
  static void Write(Peer* peer, const std::string& bytes);
};

// Answers of tests are small, so a blocking write cannot lock up.
void FakeBackend::Core::Write(Peer* peer, const std::string& bytes) {
  if (bytes.empty()) return;
  if (send(peer->fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) peer->dead = true;
}

void FakeBackend::Core::Read(Peer* peer) {
  std::string buffer(65536, '\0');
  const ssize_t n = recv(peer->fd.get(), buffer.data(), buffer.size(), 0);
  if (n <= 0) {
    peer->dead = true;
    return;
  }
  peer->received.append(buffer, 0, static_cast<size_t>(n));
  while (!peer->dead) {
    const std::vector<std::string> args = TakeRequest(&peer->received);
    if (args.empty()) return;
    const bool asks = commands != nullptr && Is(args[0], "COMMAND");
    const std::string upkeep = asks ? commands() : Upkeep(args, peer);
    if (!upkeep.empty()) {
      Write(peer, upkeep);
      continue;
    }
    requests.push_back(args);
    const Answer answer = handler(args);
    Write(peer, answer.bytes);
    if (answer.reset) peer->fd.Reset();
    if (answer.close || answer.reset) peer->dead = true;
  }
}

void FakeBackend::Core::Loop() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    peers.remove_if([](const Peer& peer) { return peer.dead; });
    std::vector<pollfd> fds = {{wake.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}};
    for (const Peer& peer : peers) fds.push_back({peer.fd.get(), POLLIN, 0});
    lock.unlock();
    poll(fds.data(), fds.size(), -1);
    lock.lock();
    size_t i = 2;
    for (Peer& peer : peers) {
      if (i < fds.size() && fds[i++].revents != 0 && !peer.dead) Read(&peer);
    }
    if (fds[1].revents != 0) {
      Fd accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (accepted) peers.emplace_back().fd = std::move(accepted);
    }
  }
}

FakeBackend::FakeBackend(Handler handler) : core_(std::make_unique<Core>()) {
  core_->handler = std::move(handler);
  core_->wake = Fd(eventfd(0, EFD_CLOEXEC));
  core_->listener = ListenOn(port());
  core_->thread = std::thread([core = core_.get()] { core->Loop(); });
}

FakeBackend::~FakeBackend() {
  {
    const std::lock_guard lock(core_->mutex);
    core_->stopping = true;
  }
  const uint64_t one = 1;
  if (write(core_->wake.get(), &one, sizeof one) < 0) perror("fake backend");
  core_->thread.join();
}

void FakeBackend::AnswerCommand(std::function<std::string()> answer) {
  const std::lock_guard lock(core_->mutex);
  core_->commands = std::move(answer);
}

void FakeBackend::Say(const std::string& bytes) {
  const std::lock_guard lock(core_->mutex);
  for (Peer& peer : core_->peers) Core::Write(&peer, bytes);
}

size_t FakeBackend::connections() const {
  const std::lock_guard lock(core_->mutex);
  return core_->peers.size();
}

std::vector<std::vector<std::string>> FakeBackend::requests() const {
  const std::lock_guard lock(core_->mutex);
  return core_->requests;
}

}  // namespace weir::harness
