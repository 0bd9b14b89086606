// The fuzzer of a whole session: a weir in this process, between clients and backends of ours.
//
// An input's first two bytes choose how, the rest is what one side says:
//
//   client's bytes    whatever they are and however they are cut, the client hears what
//   SessionModel
//                     foretells
//   backend's bytes   garbage, pushes, too many replies, halves of replies: its clients hear whole
//                     frames, one for each request, unless their connection closes inside one
//
// Meanwhile and afterwards a bystander of the same worker gets its own right replies. What the
// backend's misbehaviour leaves behind is over once the backend behaves: one of weir's errors, then
// right replies.
#ifndef WEIR_TESTS_PROXY_SESSION_FUZZ_H_
#define WEIR_TESTS_PROXY_SESSION_FUZZ_H_

#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "plugins/registry.h"
#include "plugins/text.h"
#include "proxy/config_file.h"
#include "proxy/server.h"
#include "resp/reply_writer.h"
#include "tests/proxy/fuzz_socket.h"
#include "tests/proxy/scripted_backend.h"
#include "tests/proxy/session_model.h"

namespace weir::testing {

// Longer inputs reach nothing new.
inline constexpr size_t kSessionBytesMax = 4096;

// A client that asks one thing at a time and knows what it must hear.
class Bystander {
 public:
  explicit Bystander(std::string path) : path_(std::move(path)), fd_(ConnectToUnix(path_)) {}
  ~Bystander() { ::close(fd_); }
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;

  void Ask() {
    request_.clear();
    AppendRequest(&request_, {"GET", "bystander" + std::to_string(++asked_)});
    (void)SendAll(fd_, request_);
  }

  // Once its connection may close; it then asks anew on another.
  void ExpectKill() { may_be_killed_ = true; }

  // The reply to what was asked; empty if the connection closed.
  std::string Hear() {
    std::string heard = HearOnce();
    if (heard.empty() && std::exchange(may_be_killed_, false)) {
      ::close(fd_);
      fd_ = ConnectToUnix(path_);
      (void)SendAll(fd_, request_);
      heard = HearOnce();
    }
    return heard;
  }

  bool IsRight(std::string_view reply) const {
    return reply == RecognisableReply(request_, BackendState());
  }

 private:
  std::string HearOnce() {
    const Patience patience;
    FrameScanner scanner(2);
    std::string heard;
    for (;;) {
      patience.Check("no reply to the bystander's", request_);
      if (!WaitShortly(fd_, 100'000'000)) continue;
      char bytes[65536];
      const ssize_t n = ::recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return "";
      if (n < 0) continue;
      const std::string_view data(bytes, static_cast<size_t>(n));
      const FrameScanner::Result result = scanner.Scan(data);
      heard += data;
      if (result.status == ScanStatus::kNeedMore) continue;
      if (result.status == ScanStatus::kFrame && result.consumed == data.size()) return heard;
      Die("not one frame for the bystander", heard);
    }
  }

  const std::string path_;
  int fd_;
  std::string request_;
  uint64_t asked_ = 0;
  bool may_be_killed_ = false;
};

// Each thing lives as long as the process: what one input breaks, the next one finds broken.
class SessionFuzzer {
 public:
  static SessionFuzzer& Instance() {
    static SessionFuzzer fuzzer;
    return fuzzer;
  }

  void Run(std::string_view input) {
    if (input.size() < 2) return;
    const auto choice = static_cast<uint8_t>(input[0]);
    const auto seed = static_cast<uint8_t>(input[1]);
    const std::string_view bytes = input.substr(2, kSessionBytesMax);
    bystander_.Ask();
    if ((choice & 1) == 0) {
      if (SessionModel::MayKill(bytes, limits_))
        bystander_.ExpectKill(), liars_client_.ExpectKill();
      FuzzClient(choice >> 1, seed, bytes);
    } else {
      FuzzBackend(choice, seed, bytes);
    }
    CheckBystander();
    bystander_.Ask();
    CheckBystander();
  }

 private:
  SessionFuzzer()
      : folder_(MakeFolder()),
        true_backend_(folder_ + "/true"),
        liar_(folder_ + "/liar"),
        routing_(ModelRouting()),
        server_(MakeConfig()),
        thread_([this] { Serve(); }),
        bystander_(folder_ + "/front"),
        liars_client_(folder_ + "/liars_front") {}

  // Ends weir as a service manager would, so that what it does not free is a leak.
  ~SessionFuzzer() {
    ending_ = true;
    ::kill(::getpid(), SIGTERM);
    thread_.join();
    std::filesystem::remove_all(folder_);
  }

  static std::string MakeFolder() {
    std::string folder = (std::filesystem::temp_directory_path() / "weir_session.XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) Die("cannot make a folder", folder);
    return folder;
  }

  Config MakeConfig() {
    const std::string text = Concat(
        "workers = 1\ndrain_timeout_ms = 100\nadmin.address = \"off\"\n", "[[listener]]\n",
        "address = \"unix:", folder_, "/front\"\n",
        "[[listener]]\nupstream = \"liar\"\naddress = \"unix:", folder_, "/liars_front\"\n",
        // Small, so that sessions wait for room.
        "[limits]\npipeline_depth_max = 32\n",
        "[upstream.default]\nin_flight_max = 16\nurl = \"unix://", folder_, "/true\"\n",
        // Asked once, while it is true; quick to give up, and to come back.
        "[upstream.liar]\nhealth_check_interval_ms = 0\nrequest_timeout_ms = 20\n",
        "connect_timeout_ms = 30\noffline_queue_age_max_ms = 30\n",
        "reconnect_min_ms = 1\nreconnect_max_ms = 4\n", "url = \"unix://", folder_, "/liar\"\n");
    absl::StatusOr<Config> config = ParseConfig(text, "session_fuzz", PluginSchemas());
    if (!config.ok()) Die(Message(config.status()), text);
    // Below what a file may say, for inputs are short.
    config->limits.request_buffer_bytes_max = limits_.request_bytes_max;
    config->limits.inline_bytes_max = limits_.line_bytes_max;
    config->limits.bulk_bytes_max = static_cast<int64_t>(limits_.bulk_bytes_max);
    return *std::move(config);
  }

  void Serve() {
    const absl::Status status = server_.Run();
    if (!status.ok()) Die(Message(status), "");
    // A signal from elsewhere, such as Ctrl-C.
    if (!ending_) std::_Exit(130);
  }

  void FuzzClient(uint8_t cuts, uint8_t seed, std::string_view bytes) {
    constexpr size_t kPieceMax[] = {SIZE_MAX, 3, 24, 300};
    const size_t piece_max = kPieceMax[cuts % 4];
    auto next_piece = [piece_max, state = uint32_t{seed}]() mutable {
      state = state * 1664525 + 1013904223;
      return piece_max == SIZE_MAX ? piece_max : 1 + (state >> 16) % piece_max;
    };
    const int fd = ConnectToUnix(folder_ + "/front");
    const std::string heard = Converse(fd, bytes, next_piece);
    ::close(fd);
    SessionModel(*routing_, limits_, bytes, heard).Check();
  }

  // The byte 0x1e stands between what is said in place of one reply and of the next.
  void FuzzBackend(uint8_t choice, uint8_t seed, std::string_view bytes) {
    ScriptedBackend::Script script;
    while (!bytes.empty()) {
      const size_t end = std::min(bytes.find('\x1e'), bytes.size());
      script.lines.emplace_back(bytes.substr(0, end));
      bytes.remove_prefix(std::min(end + 1, bytes.size()));
    }
    script.starts_afresh = (choice & 2) != 0;
    script.goes_on = (choice & 4) != 0;
    script.shakes_hands = (choice & 8) != 0;
    script.speaks_first = (choice & 16) != 0;
    script.dribbles = (choice & 32) != 0;
    std::string said;
    size_t requests = 0;
    if ((choice & 64) != 0) ++requests, AppendRequest(&said, {"HELLO", "3"});
    if ((choice & 128) != 0) ++requests, AppendRequest(&said, {"SELECT", "1"});
    for (int n = 1 + seed % 8; n > 0; --n) ++requests, AppendSome((seed >> 3) + n, &said);

    liar_.Play(std::move(script));
    const int fd = ConnectToUnix(folder_ + "/liars_front");
    const std::string heard = Converse(fd, said, [] { return SIZE_MAX; });
    ::close(fd);
    liar_.EndPlay();
    CheckFrames(heard, requests);
    CheckLiarsClient();
  }

  // Read, written, asked by weir itself, streamed: each takes another way through a link.
  void AppendSome(int which, std::string* said) const {
    const std::string large(limits_.request_bytes_max, 'x');
    switch (which % 8) {
      case 0:
      case 1:
        return AppendRequest(said, {"SET", "key", std::to_string(which)});
      case 2:
        return AppendRequest(said, {"INFO"});
      case 3:
        return AppendRequest(said, {"COMMAND", "COUNT"});
      case 4:
        return AppendRequest(said, {"SET", "key", large});
      default:
        return AppendRequest(said, {"GET", std::to_string(which)});
    }
  }

  static void CheckFrames(std::string_view heard, size_t requests) {
    const SeenFrames seen = FeedFrames(heard, 3, Whole());
    if (seen.broken) Die("what the client heard is not RESP", heard);
    if (seen.frames.size() > requests) Die("more replies than requests", heard);
    if ((seen.frames.size() == requests) == seen.in_frame) {
      Die(Concat(seen.frames.size(), " replies to ", requests, " requests",
                 seen.in_frame ? ", and the beginning of another" : ""),
          heard);
    }
    for (const SeenFrame& frame : seen.frames) {
      if (frame.type == '>') Die("a push that nobody asked for reached a client", heard);
    }
  }

  void CheckBystander() {
    const std::string reply = bystander_.Hear();
    if (!bystander_.IsRight(reply)) Die("the bystander got another's reply, or none", reply);
  }

  void CheckLiarsClient() {
    const Patience patience;
    for (;;) {
      liars_client_.Ask();
      const std::string reply = liars_client_.Hear();
      if (liars_client_.IsRight(reply)) return;
      const std::string_view code = std::string_view(reply).substr(0, reply.find(' '));
      const bool of_weir = code == "-DOWN" || code == "-UNKNOWN" || code == "-TIMEOUT";
      if (!of_weir || reply.find(" weir: ") != code.size()) {
        Die("neither the right reply nor one of weir's errors", reply);
      }
      patience.Check("the backend behaves again, but weir still says", reply);
    }
  }

  const RequestLimits limits_{
      .bulk_bytes_max = 100'000, .line_bytes_max = 256, .request_bytes_max = 512};
  const std::string folder_;
  ScriptedBackend true_backend_;
  ScriptedBackend liar_;
  const std::shared_ptr<const RoutingTable> routing_;
  Server server_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
  Bystander bystander_;
  Bystander liars_client_;
};

inline void FuzzSession(std::string_view input) { SessionFuzzer::Instance().Run(input); }

}  // namespace weir::testing

#endif  // WEIR_TESTS_PROXY_SESSION_FUZZ_H_
