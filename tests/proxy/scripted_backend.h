// A Redis of a few lines for one process of tests: each reply says which request it answers.
//
// It listens on a Unix socket and runs on a thread of its own. What a request is answered with
// depends on its bytes and on its connection's db and protocol version alone (see ReplyTo), so a
// client's replies can be foretold, and one that another client should have got is noticed. It can
// also Play() a script instead: bytes of any kind, said in place of replies.
#ifndef WEIR_TESTS_PROXY_SCRIPTED_BACKEND_H_
#define WEIR_TESTS_PROXY_SCRIPTED_BACKEND_H_

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "resp/reply_writer.h"
#include "resp/request_parser.h"
#include "resp/wire_text.h"
#include "routing/text.h"
#include "tests/proxy/fuzz_socket.h"

namespace weir::testing {

// What a connection's earlier requests have made of it.
struct BackendState {
  int protocol_version = 2;
  int64_t db = 0;
};

inline constexpr int64_t kBackendDatabases = 16;

// COMMAND: one command is enough, the others weir knows by itself.
inline constexpr std::string_view kBackendCommands =
    "*1\r\n*6\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n";

// The reply to any request without a meaning of its own, recognisable by its bytes' hash. Of all
// types; one in 32 is too long to be held until it is complete.
inline std::string RecognisableReply(std::string_view wire, const BackendState& state) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char c : wire) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  const std::string text = Concat(hash, " of ", wire.size(), " bytes in db ", state.db,
                                  " by version ", state.protocol_version);
  std::string reply;
  ReplyWriter writer(&reply, state.protocol_version);
  switch ((hash >> 32) % 32) {
    case 0:
      writer.Bulk(text + std::string(70000, '.'));
      break;
    case 1:
    case 2:
    case 3:
      writer.Error(text);
      break;
    case 4:
    case 5:
      writer.SimpleString(text);
      break;
    case 6:
    case 7:
      writer.ArrayHeader(3);
      writer.Null();
      writer.Integer(static_cast<int64_t>(wire.size()));
      writer.Bulk(text);
      break;
    case 8:
    case 9:
      writer.MapHeader(1);
      writer.Bulk(text);
      writer.SetHeader(2);
      writer.Double(0.5);
      writer.Boolean(true);
      break;
    case 10:
      writer.Verbatim("txt", text);
      break;
    default:
      writer.Bulk(text);
  }
  return reply;
}

inline std::string HelloReply(const BackendState& state) {
  std::string reply;
  ReplyWriter writer(&reply, state.protocol_version);
  writer.MapHeader(5);
  for (const auto& [name, value] : {std::pair{"server", "redis"}, std::pair{"version", "7.0.15"},
                                    std::pair{"mode", "standalone"}, std::pair{"role", "master"}}) {
    writer.Bulk(name);
    writer.Bulk(value);
  }
  writer.Bulk("modules");
  writer.ArrayHeader(0);
  return reply;
}

// True of what weir itself says to a link that it just opened.
inline bool IsOfHandshake(const ParsedRequest& request) {
  for (const std::string_view name : {"hello", "client", "select"}) {
    if (IsKeyword(request.arg(0), name)) return true;
  }
  return false;
}

// SUBSCRIBE and its like: an acknowledgement for each name.
inline std::string Acknowledgements(const ParsedRequest& request) {
  std::string reply;
  ReplyWriter writer(&reply, 2);
  std::string word(request.arg(0));
  for (char& c : word) c = ToLower(c);
  for (uint32_t i = 1; i < request.argc; ++i) {
    writer.ArrayHeader(3);
    writer.Bulk(word);
    writer.Bulk(request.arg(i));
    writer.Integer(1);
  }
  return reply;
}

inline bool Subscribes(std::string_view name) {
  for (const std::string_view own :
       {"subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"}) {
    if (IsKeyword(name, own)) return true;
  }
  return false;
}

inline std::string ReplyTo(const ParsedRequest& request, BackendState* state) {
  const std::string_view name = request.arg(0);
  int64_t number = 0;
  if (IsKeyword(name, "hello")) {
    if (request.argc > 1 && ParseWireNumber(request.arg(1), &number)) {
      state->protocol_version = number == 3 ? 3 : 2;
    }
    return HelloReply(*state);
  }
  if (IsKeyword(name, "select") && request.argc == 2 && ParseWireNumber(request.arg(1), &number)) {
    if (number < 0 || number >= kBackendDatabases) return "-ERR DB index is out of range\r\n";
    state->db = number;
    return "+OK\r\n";
  }
  if (IsKeyword(name, "client") && request.argc == 3 && IsKeyword(request.arg(1), "setname")) {
    return "+OK\r\n";
  }
  if (Subscribes(name) && request.argc > 1) return Acknowledgements(request);
  if (IsKeyword(name, "ping") && request.argc == 1) return "+PONG\r\n";
  if (IsKeyword(name, "command") && request.argc == 1) return std::string(kBackendCommands);
  if (IsKeyword(name, "info")) {
    std::string reply;
    ReplyWriter(&reply, state->protocol_version)
        .Verbatim("txt", "# Server\r\nredis_version:7.0.15\r\nrun_id:0123456789abcdef\r\n");
    return reply;
  }
  return RecognisableReply(request.wire, *state);
}

class ScriptedBackend {
 public:
  struct Script {
    std::deque<std::string> lines;  // one is said in place of each reply
    bool shakes_hands = true;       // answers the handshake as Redis would
    bool speaks_first = false;      // says one when a connection opens, too
    bool goes_on = false;           // replies truly afterwards; else it closes the connection
    bool dribbles = false;          // byte by byte
    bool starts_afresh = false;     // closes the present connections first
  };

  explicit ScriptedBackend(const std::string& path)
      : listener_(ListenOnUnix(path)),
        wake_(::eventfd(0, EFD_CLOEXEC)),
        thread_([this] { Run(); }) {}
  ~ScriptedBackend() {
    Do([this] { stopped_ = true; });
    thread_.join();
    connections_.clear();
    ::close(wake_);
    ::close(listener_);
  }
  ScriptedBackend(const ScriptedBackend&) = delete;
  ScriptedBackend& operator=(const ScriptedBackend&) = delete;

  // From now on, on connections new and old.
  void Play(Script script) {
    Do([&] {
      if (script.starts_afresh) connections_.clear();
      script_ = std::make_unique<Script>(std::move(script));
      if (!script_->speaks_first) return;
      for (const auto& connection : connections_) SayNextLine(connection.get());
    });
  }
  // Replies truly again, on new connections. By then the peer has read all that the script said, so
  // none of it is taken for a reply to what it asks later.
  void EndPlay() {
    Do([this] {
      script_.reset();
      for (const auto& connection : connections_) AwaitRead(connection->fd);
      connections_.clear();
    });
  }

 private:
  struct Connection {
    explicit Connection(int descriptor) : fd(descriptor) {}
    ~Connection() { ::close(fd); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    const int fd;
    BackendState state;
    ParseState parse_state;
    std::string input;
    bool closing = false;
  };

  // Runs on the backend's thread; returns when it is done.
  void Do(std::function<void()> call) {
    std::packaged_task<void()> task(std::move(call));
    std::future<void> done = task.get_future();
    {
      const std::lock_guard lock(mutex_);
      calls_.push_back(std::move(task));
    }
    const uint64_t one = 1;
    if (::write(wake_, &one, sizeof(one)) != sizeof(one)) Die("the backend cannot be woken", "");
    done.wait();
  }

  void Run() {
    while (!stopped_) {
      std::vector<pollfd> polls = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const auto& connection : connections_) polls.push_back({connection->fd, POLLIN, 0});
      if (::poll(polls.data(), polls.size(), -1) < 0) continue;
      // Positions are those of before the calls, so connections come first.
      for (size_t i = 2; i < polls.size(); ++i) {
        if (polls[i].revents != 0) Read(connections_[i - 2].get());
      }
      std::erase_if(connections_, [](const auto& connection) { return connection->closing; });
      if (polls[1].revents != 0) Accept();
      if (polls[0].revents != 0) RunCalls();
    }
  }

  void RunCalls() {
    uint64_t times = 0;
    if (::read(wake_, &times, sizeof(times)) < 0) return;
    std::vector<std::packaged_task<void()>> calls;
    {
      const std::lock_guard lock(mutex_);
      calls.swap(calls_);
    }
    for (auto& call : calls) call();
  }

  void Accept() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    connections_.push_back(std::make_unique<Connection>(fd));
    if (script_ != nullptr && script_->speaks_first) SayNextLine(connections_.back().get());
  }

  void Read(Connection* connection) {
    char bytes[16384];
    const ssize_t n = ::recv(connection->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n <= 0) {
      connection->closing = n == 0 || errno != EAGAIN;
      return;
    }
    connection->input.append(bytes, static_cast<size_t>(n));
    while (!connection->closing && !connection->input.empty() && AnswerNext(connection)) {
    }
  }

  // False: no whole request is there.
  bool AnswerNext(Connection* connection) {
    ParsedRequest request;
    const ParseStatus status = parser_.Parse(&connection->parse_state, connection->input, &request);
    if (status == ParseStatus::kNeedMore && request.consumed == 0) return false;
    // weir's links are shared: nothing may reach them that two servers could read differently.
    if (status != ParseStatus::kRequest || request.rewritten) {
      Die("weir sent a request that is not in canonical form", connection->input);
    }
    if (script_ == nullptr || (script_->shakes_hands && IsOfHandshake(request))) {
      Say(connection, ReplyTo(request, &connection->state));
    } else if (!script_->lines.empty()) {
      SayNextLine(connection);
    } else if (script_->goes_on) {
      Say(connection, ReplyTo(request, &connection->state));
    } else {
      AwaitRead(connection->fd);
      connection->closing = true;
    }
    connection->input.erase(0, request.consumed);
    return true;
  }

  void SayNextLine(Connection* connection) {
    if (script_->lines.empty()) return;
    const std::string line = std::move(script_->lines.front());
    script_->lines.pop_front();
    const size_t piece = script_->dribbles ? line.size() / kPiecesMax + 1 : line.size();
    for (std::string_view rest = line; !rest.empty() && !connection->closing;
         rest.remove_prefix(std::min(piece, rest.size()))) {
      Say(connection, rest.substr(0, piece));
      if (script_->dribbles) AwaitRead(connection->fd);
    }
  }

  void Say(Connection* connection, std::string_view bytes) {
    if (!SendAll(connection->fd, bytes)) connection->closing = true;
  }

  const int listener_;
  const int wake_;
  std::mutex mutex_;
  std::vector<std::packaged_task<void()>> calls_;  // guarded by mutex_
  // The rest is the thread's.
  bool stopped_ = false;
  RequestParser parser_{RequestLimits{.request_bytes_max = uint32_t{1} << 30}};
  std::vector<std::unique_ptr<Connection>> connections_;
  std::unique_ptr<Script> script_;  // null: it replies truly
  std::thread thread_;
};

}  // namespace weir::testing

#endif  // WEIR_TESTS_PROXY_SCRIPTED_BACKEND_H_
