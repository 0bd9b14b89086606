// What a client must hear from weir in front of a ScriptedBackend, given all that it says.
//
// The model knows nothing of sockets, links, turns and pauses: it parses the client's bytes at
// once, asks MakePlan of each request, and goes through what was heard frame by frame. Forwarded
// requests, refusals and protocol errors it foretells to the byte. Of what weir answers itself it
// only knows that it is one frame, and learns from it which db and protocol version come next.
#ifndef WEIR_TESTS_PROXY_SESSION_MODEL_H_
#define WEIR_TESTS_PROXY_SESSION_MODEL_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "resp/frame_scanner.h"
#include "resp/request_parser.h"
#include "resp/wire_text.h"
#include "routing/command_table.h"
#include "routing/plan.h"
#include "routing/text.h"
#include "tests/proxy/fuzz_socket.h"
#include "tests/proxy/scripted_backend.h"
#include "tests/resp/feed.h"

namespace weir::testing {

// The table that weir makes of its own and of the backend's.
inline std::shared_ptr<const RoutingTable> ModelRouting() {
  const auto theirs = CommandTable::FromReply(kBackendCommands);
  if (!theirs.ok()) Die("the backend's COMMAND is not understood", kBackendCommands);
  return RoutingTable::Make(CommandTable::Merge(*CommandTable::BuiltIn(), **theirs),
                            CommandPolicy());
}

class SessionModel {
 public:
  SessionModel(const RoutingTable& routing, const RequestLimits& limits, std::string_view said,
               std::string_view heard)
      : routing_(routing),
        limits_(limits),
        requests_(FeedRequests(said, limits, Whole())),
        said_(said),
        heard_(heard),
        rest_(heard) {}

  // Aborts if `heard` is not what the client must hear.
  void Check() {
    for (const SeenRequest& request : requests_.requests) {
      const bool is_last = &request == &requests_.requests.back();
      if (!CheckRequest(request, is_last)) return CheckEnd();
    }
    if (!requests_.error.empty()) Expect(requests_.error);
    CheckEnd();
  }

  // CLIENT KILL may have closed other clients, too.
  static bool MayKill(std::string_view said, const RequestLimits& limits) {
    for (const SeenRequest& request : FeedRequests(said, limits, Whole()).requests) {
      if (IsSubcommand(request, "client", "kill")) return true;
    }
    return false;
  }

 private:
  // False: nothing follows.
  bool CheckRequest(const SeenRequest& request, bool is_last) {
    const bool cut = request.too_large && is_last && !IsWhole(request);
    // A large request that broke off takes its session with it, in the middle if it must.
    if (cut && requests_.error.empty()) loose_ = true;
    std::vector<std::string_view> args(request.args.begin(), request.args.end());
    Plan plan;
    if (!args.empty()) plan = MakePlan(routing_, topology_, ArgList(absl::MakeSpan(args)));
    switch (plan.kind) {
      case PlanKind::kPinned:
        // From here on the backend may have to say what weir otherwise would; and a client that has
        // ended its input while it blocks is closed without an answer, as Redis does it.
        loose_ = true;
        NextFrame();
        return true;
      case PlanKind::kReject:
        Expect(Concat(plan.reason, "\r\n"));
        return true;
      case PlanKind::kSubscribe:
        CheckSubscribe(request, *plan.entry);
        return true;
      case PlanKind::kLocal:
        if (!request.too_large) return CheckLocal(request, *plan.entry);
        Expect(Concat("-ERR weir: weir answers this command itself and takes no more than ",
                      std::to_string(limits_.request_bytes_max), " bytes of it\r\n"));
        return true;
      default:
        if (!cut) Expect(RecognisableReply(request.wire, state_));
        return true;
    }
  }

  // As many acknowledgements as names. What follows depends on the mode, so only its form is sure.
  void CheckSubscribe(const SeenRequest& request, const CommandEntry& entry) {
    loose_ = subscribes_ = true;
    const std::string& name = entry.spec->name;
    std::set<std::string>& names = names_[name.find("psub") != name.npos || name[0] == 'p'    ? 1
                                          : name.starts_with("ss") || name.starts_with("sun") ? 2
                                                                                              : 0];
    const bool leaves = name.find("un") != name.npos;
    size_t frames = request.args.size() - 1;
    if (request.too_large || (frames == 0 && !leaves)) {
      frames = 1;
    } else if (frames == 0) {
      frames = std::max<size_t>(names.size(), 1);
      names.clear();
    } else {
      for (size_t i = 1; i < request.args.size(); ++i) {
        if (leaves) {
          names.erase(std::string(request.args[i]));
        } else {
          names.insert(std::string(request.args[i]));
        }
      }
    }
    for (size_t i = 0; i < frames; ++i) NextFrame();
  }

  bool CheckLocal(const SeenRequest& request, const CommandEntry& entry) {
    if (entry.local == LocalCommand::kCloseSilently) return false;
    if (IsSubcommand(request, "client", "kill") || IsSubcommand(request, "client", "reply")) {
      loose_ = true;
    }
    const std::string_view reply = NextFrame();
    if (reply == "+RESET\r\n") {
      for (auto& names : names_) names.clear();
    }
    if (loose_) return true;
    int64_t db = 0;
    switch (entry.local) {
      case LocalCommand::kHello:
        if (reply[0] != '-') state_.protocol_version = reply[0] == '%' ? 3 : 2;
        return true;
      case LocalCommand::kReset:
        if (reply == "+RESET\r\n") state_ = BackendState();
        return true;
      case LocalCommand::kSelect:
        if (reply == "+OK\r\n" && ParseWireNumber(request.args[1], &db)) state_.db = db;
        return true;
      case LocalCommand::kPing:
        if (request.args.size() == 1) Equal(reply, "+PONG\r\n");
        return true;
      case LocalCommand::kQuit:
        Equal(reply, "+OK\r\n");
        return false;
      default:
        return true;
    }
  }

  static bool IsSubcommand(const SeenRequest& request, std::string_view name,
                           std::string_view own_name) {
    return request.args.size() > 1 && IsKeyword(request.args[0], name) &&
           IsKeyword(request.args[1], own_name);
  }

  static bool IsWhole(const SeenRequest& request) {
    RequestParser parser(RequestLimits{.request_bytes_max = uint32_t{1} << 30});
    ParseState state;
    ParsedRequest parsed;
    return parser.Parse(&state, request.wire, &parsed) == ParseStatus::kRequest;
  }

  void Expect(std::string_view reply) {
    const std::string_view frame = NextFrame();
    if (!loose_) Equal(frame, reply);
  }

  void Equal(std::string_view frame, std::string_view expected) {
    if (frame == expected) return;
    Fail(Concat("another reply was due: ", Shown(expected), "\nnot: ", Shown(frame)));
  }

  // The next whole frame; empty if loose_ and there is none.
  std::string_view NextFrame() {
    FrameScanner scanner(3);  // which knows all of RESP2
    const FrameScanner::Result result = scanner.Scan(rest_);
    if (result.status != ScanStatus::kFrame) {
      if (loose_ && rest_.empty()) return {};
      Fail(Concat("a reply is missing or malformed at: ", Shown(rest_)));
    }
    const std::string_view frame = rest_.substr(0, result.consumed);
    rest_.remove_prefix(result.consumed);
    if (scanner.type() != '>') return frame;
    if (!loose_) Fail("weir pushed a message that nobody asked for");
    return NextFrame();
  }

  void CheckEnd() {
    if (!rest_.empty()) Fail(Concat("too much was said: ", Shown(rest_)));
  }

  [[noreturn]] void Fail(std::string_view what) const {
    Die(Concat(what, "\nheard: ", Shown(heard_), "\nsaid:"), said_);
  }

  const RoutingTable& routing_;
  const Topology& topology_ = *kTopology;
  const RequestLimits limits_;
  const SeenRequests requests_;
  const std::string_view said_;
  const std::string_view heard_;
  std::string_view rest_;
  BackendState state_;
  std::set<std::string> names_[3];  // subscribed to: channels, patterns, shard channels
  bool subscribes_ = false;
  bool loose_ = false;  // replies may be missing: only their form is sure

  static inline const std::shared_ptr<const Topology> kTopology = Topology::Single(Node{});
};

}  // namespace weir::testing

#endif  // WEIR_TESTS_PROXY_SESSION_MODEL_H_
