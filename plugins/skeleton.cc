// WEIR SKELETON: tells a client how many requests it has sent, and its worker how it does.
//
//   > WEIR SKELETON
//   "hello: 3 requests of yours, 1 clients, 2 answered, 0 errors, 0 bytes of TIME"
//
// Why each hook is here is said beside it.
#include "plugins/skeleton.h"

#include <deque>
#include <string>
#include <utility>

#include "plugins/counter.h"
#include "plugins/host.h"
#include "plugins/metrics_source.h"
#include "plugins/plugin.h"
#include "plugins/text.h"
#include "resp/reply_writer.h"
#include "routing/text.h"

namespace weir {
namespace {

// What can be configured. The initialisers are the defaults, stated here and nowhere else.
struct SkeletonSettings {
  std::string greeting = "hello";
  std::string watch = "TIME";
  int64_t delay_ms = 0;
};
const SkeletonSettings kDefaults;

constexpr ConfigKey kKeys[] = {
    {"greeting", FieldOf<&SkeletonSettings::greeting>(),
     "What WEIR SKELETON says first; empty: the plugin is not installed."},
    {"watch", FieldOf<&SkeletonSettings::watch>(),
     "The command whose replies are collected and measured; empty: none."},
    {"delay_ms", FieldOf<&SkeletonSettings::delay_ms>(),
     "How long WEIR SKELETON waits before it answers; 0: not at all.", 0, 60000},
};

// What is told to /metrics is counted apart from the plugin, because a scrape may outlive it and
// runs on another thread. Counters may be read from there; nothing else of the plugin may.
class SkeletonCounts final : public MetricsSource {
 public:
  Counter greetings;

  void Collect(MetricsSink& sink) const override {
    static constexpr Metric kGreetings = {"weir_skeleton_greetings_total", MetricType::kCounter,
                                          "Answers given to WEIR SKELETON."};
    sink.Add(kGreetings, {}, static_cast<double>(greetings.Get()));
  }
};

class Skeleton final : public Plugin {
 public:
  Skeleton(SkeletonSettings settings, Host& host, std::shared_ptr<SkeletonCounts> counts)
      : settings_(std::move(settings)),
        host_(host),
        requests_slot_(host.TakeSessionSlot()),
        counts_(std::move(counts)) {}

  std::string_view name() const override { return "skeleton"; }

  // Read once. A hook that depends on the configuration is best left out when it is not needed.
  HookSet hooks() const override {
    const HookSet always = kHookOpen | kHookRequest | kHookDone | kHookError | kHookClose;
    return settings_.watch.empty() ? always : always | kHookReply;
  }

  // Here a plugin looks at who comes, and may say kClose.
  Verdict OnOpen(SessionView&) override {
    ++clients_;
    return Verdict::kContinue;
  }

  // Every request comes here, before weir decides where it goes. So the first thing is to find out,
  // at little cost, that it is none of the plugin's business.
  Verdict OnRequest(RequestView& request) override {
    const uint64_t requests = ++request.session().word(requests_slot_);
    const ArgList& args = request.args();
    if (!IsGreeting(args)) {
      // The reply is collected whole for OnReply, so ask for it only where it is needed.
      if (IsWatched(args)) request.WantReply();
      return Verdict::kContinue;
    }
    counts_->greetings.Add();
    std::string reply = Greet(requests, request.session().protocol_version());
    if (settings_.delay_ms == 0) {
      request.Answer(std::move(reply));
      return Verdict::kAnswered;
    }
    Delay(request, std::move(reply));
    return Verdict::kHeld;
  }

  // Only of requests that this plugin marked. ReplyView::Replace would change what the client gets.
  void OnReply(ReplyView& reply) override { watched_bytes_ += reply.bytes().size(); }

  // The cheap way to count: one call for a run of equal requests, after they were answered.
  void OnDone(const RequestsDone& done) override { answered_ += done.count; }

  // One call for each error reply, weir's own among them.
  void OnError(SessionView&, const CommandEntry*, int, std::string_view) override { ++errors_; }

  // What OnOpen took for a client is given back here. Nothing may point to the session after it.
  void OnClose(SessionView&) override { --clients_; }

  // For WEIR EXPLAIN, so without any effect.
  std::string Explain(SessionView&, const ArgList& args, const CommandEntry*, int) override {
    if (IsGreeting(args)) return Concat("answers it after ", settings_.delay_ms, " ms");
    return IsWatched(args) ? "measures its reply" : "";
  }

 private:
  // A request that waits, with its answer. Nothing here points to the client, which may leave.
  struct Waiting {
    uint64_t due_ns;
    Hold hold;
    std::string reply;
  };

  static bool IsGreeting(const ArgList& args) {
    return args.size() == 2 && EqualsIgnoreCase(args[0], "WEIR") &&
           EqualsIgnoreCase(args[1], "SKELETON");
  }
  bool IsWatched(const ArgList& args) const {
    return !settings_.watch.empty() && EqualsIgnoreCase(args[0], settings_.watch);
  }

  std::string Greet(uint64_t requests, int protocol_version) const {
    std::string reply;
    ReplyWriter(&reply, protocol_version)
        .Bulk(Concat(settings_.greeting, ": ", requests, " requests of yours, ", clients_,
                     " clients, ", answered_, " answered, ", errors_, " errors, ", watched_bytes_,
                     " bytes of ", settings_.watch.empty() ? "nothing" : settings_.watch));
    return reply;
  }

  // All wait equally long, so the first to come is the first to go and one timer serves all.
  void Delay(RequestView& request, std::string reply) {
    const auto delay_ms = static_cast<uint64_t>(settings_.delay_ms);
    // The hold's own deadline is for a plugin that forgets, so it lies well behind ours.
    waiting_.push_back({host_.NowNs() + delay_ms * 1'000'000, request.MakeHold(2 * delay_ms + 1000),
                        std::move(reply)});
    if (waiting_.size() == 1) timer_ = host_.After(delay_ms, [this] { AnswerThoseDue(); });
  }

  void AnswerThoseDue() {
    const uint64_t now_ns = host_.NowNs();
    while (!waiting_.empty() && waiting_.front().due_ns <= now_ns) {
      Waiting first = std::move(waiting_.front());
      waiting_.pop_front();
      first.hold.Answer(std::move(first.reply));
    }
    if (waiting_.empty()) return;
    const uint64_t left_ns = waiting_.front().due_ns - now_ns;
    timer_ = host_.After(left_ns / 1'000'000 + 1, [this] { AnswerThoseDue(); });
  }

  const SkeletonSettings settings_;
  Host& host_;
  const size_t requests_slot_;  // a session's word here: how many requests it has sent
  const std::shared_ptr<SkeletonCounts> counts_;
  std::deque<Waiting> waiting_;  // if the plugin goes first, each hold answers an error
  std::unique_ptr<HostTimer> timer_;
  uint64_t clients_ = 0;
  uint64_t answered_ = 0;
  uint64_t errors_ = 0;
  uint64_t watched_bytes_ = 0;
};

}  // namespace

PluginSchema SkeletonSchema() {
  return {"skeleton", "The one to copy when you write your own: answers WEIR SKELETON.", false,
          kKeys, &kDefaults};
}

absl::StatusOr<std::unique_ptr<Plugin>> MakeSkeleton(const PluginConfig& config, Host& host) {
  SkeletonSettings settings;
  const absl::Status status = ReadPluginKeys(config, kKeys, &settings);
  if (!status.ok()) return status;
  if (settings.greeting.empty()) return nullptr;
  auto counts = std::make_shared<SkeletonCounts>();
  host.AddMetrics(counts);
  return std::make_unique<Skeleton>(std::move(settings), host, std::move(counts));
}

}  // namespace weir
