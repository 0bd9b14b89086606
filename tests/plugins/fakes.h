// A host, a client and a request for tests of plugins: they record what a plugin does to them.
#ifndef WEIR_TESTS_PLUGINS_FAKES_H_
#define WEIR_TESTS_PLUGINS_FAKES_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/host.h"
#include "plugins/metrics_source.h"
#include "plugins/plugin.h"
#include "routing/command_class.h"

namespace weir {

// Its clock stands still until Advance.
class FakeHost final : public Host {
 public:
  explicit FakeHost(std::vector<std::string> upstreams = {"default"})
      : upstreams_(std::move(upstreams)) {}

  int worker() const override { return 0; }
  uint64_t NowNs() override { return now_ns_; }
  int upstreams() const override { return static_cast<int>(upstreams_.size()); }
  const std::string& UpstreamName(int upstream) const override {
    return upstreams_[static_cast<size_t>(upstream)];
  }
  std::unique_ptr<HostTimer> After(uint64_t delay_ms, std::function<void()> call) override {
    return std::make_unique<Timer>(this, now_ns_ + delay_ms * 1'000'000, std::move(call));
  }
  void Call(int, std::string_view, std::string request,
            std::function<void(std::string_view)> done) override {
    calls.emplace_back(std::move(request), std::move(done));
  }
  const RoutingTable& Routing(int) override {
    static const auto table = RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
    return *table;
  }
  std::vector<std::string> KeyOfEachNode(int) override { return node_keys; }
  void Log(std::string_view event, std::string_view) override { logged.emplace_back(event); }
  size_t TakeSessionSlot() override { return session_slots++; }
  void AddMetrics(std::shared_ptr<MetricsSource> source) override {
    sources.push_back(std::move(source));
  }
  std::shared_ptr<void> Share(std::string_view name,
                              const std::function<std::shared_ptr<void>()>& make) override {
    std::shared_ptr<void>& shared = (*shares)[std::string(name)];
    if (shared == nullptr) shared = make();
    return shared;
  }

  // Lets time pass, calling what falls due in its order.
  void Advance(uint64_t ms) {
    const uint64_t end_ns = now_ns_ + ms * 1'000'000;
    while (!timers_.empty() && timers_.begin()->first <= end_ns) {
      const auto due = timers_.begin();
      now_ns_ = due->first;
      Timer* const timer = due->second;
      timers_.erase(due);
      // The call may destroy its timer.
      const std::function<void()> call = std::exchange(timer->call, nullptr);
      call();
    }
    now_ns_ = end_ns;
  }
  size_t timers() const { return timers_.size(); }

  std::vector<std::pair<std::string, std::function<void(std::string_view)>>> calls;
  std::vector<std::string> logged;
  std::vector<std::string> node_keys = {""};
  std::vector<std::shared_ptr<MetricsSource>> sources;
  size_t session_slots = 0;
  // Hosts of one process have the same.
  std::shared_ptr<std::map<std::string, std::shared_ptr<void>>> shares =
      std::make_shared<std::map<std::string, std::shared_ptr<void>>>();

 private:
  struct Timer final : HostTimer {
    Timer(FakeHost* of, uint64_t due_ns, std::function<void()> what)
        : host(of), call(std::move(what)) {
      host->timers_.emplace(due_ns, this);
    }
    ~Timer() override {
      std::erase_if(host->timers_, [this](const auto& entry) { return entry.second == this; });
    }
    FakeHost* const host;
    std::function<void()> call;
  };

  const std::vector<std::string> upstreams_;
  uint64_t now_ns_ = 1'000'000'000;
  std::multimap<uint64_t, Timer*> timers_;
};

class FakeSession final : public SessionView {
 public:
  uint64_t id() const override { return 1; }
  std::string_view user() const override { return user_name; }
  std::string_view client_name() const override { return name; }
  std::string address() const override { return peer; }
  std::string_view listener() const override { return listener_address; }
  int db() const override { return selected_db; }
  int protocol_version() const override { return 2; }
  bool in_transaction() const override { return multi; }
  uint64_t& word(size_t slot) override { return words[slot]; }

  std::string user_name = "default";
  std::string name;
  std::string peer = "127.0.0.1:50312";
  int selected_db = 0;
  bool multi = false;
  std::string listener_address = "127.0.0.1:6380";
  std::map<size_t, uint64_t> words;
};

// Where holds lead: what became of each ticket, in order.
class FakeHoldTarget final : public Hold::Target {
 public:
  void Resume(uint64_t ticket) override { events.push_back(std::to_string(ticket) + " resumed"); }
  void Answer(uint64_t ticket, std::string reply) override {
    events.push_back(std::to_string(ticket) + " answered " + reply);
  }

  std::vector<std::string> events;
};

inline const ReplyView::AllKept kNothingKept;

class FakeRequest final : public RequestView {
 public:
  // REQUIRES: all outlive it.
  FakeRequest(FakeSession& session, FakeHoldTarget& holds,
              const std::vector<std::string_view>& args, const CommandEntry* entry = nullptr)
      : RequestView(session, absl::MakeConstSpan(args), entry, 0), holds_(holds) {
    for (const std::string_view arg : args) bytes_ += arg.size();
  }

  uint64_t bytes() const override { return bytes_; }
  void KeepUntilDone(std::unique_ptr<Kept> what) override { kept.push_back(std::move(what)); }

  void Answer(std::string reply) override { answer = std::move(reply); }
  void Rewrite(std::vector<std::string> args) override {
    rewritten_ = std::move(args);
    views_.assign(rewritten_.begin(), rewritten_.end());
    args_ = ArgList(absl::MakeConstSpan(views_));
  }
  void PutBefore(absl::Span<const uint32_t> places, std::string_view text) override {
    std::vector<std::string> args;
    for (uint32_t i = 0; i < args_.size(); ++i) args.emplace_back(args_[i]);
    for (const uint32_t place : places) args[place].insert(0, text);
    Rewrite(std::move(args));
  }
  bool is_whole() const override { return whole; }
  void SendScript(std::vector<std::string> args, std::string_view text,
                  uint64_t known_for_ms) override {
    script = std::move(args);
    script_text = text;
    script_known_for_ms = known_for_ms;
  }
  Hold MakeHold(uint64_t timeout_ms) override {
    hold_timeout_ms = timeout_ms;
    return {&holds_, ++tickets};
  }

  std::string answer;
  std::vector<std::unique_ptr<Kept>> kept;
  uint64_t script_known_for_ms = 0;
  uint64_t hold_timeout_ms = 0;
  uint64_t tickets = 0;
  bool whole = true;
  std::vector<std::string> script;
  std::string_view script_text;

 private:
  FakeHoldTarget& holds_;
  uint64_t bytes_ = 0;
  std::vector<std::string> rewritten_;
  std::vector<std::string_view> views_;
};

}  // namespace weir

#endif  // WEIR_TESTS_PLUGINS_FAKES_H_
