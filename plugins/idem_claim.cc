#include "plugins/idem_claim.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <random>
#include <utility>

#include "plugins/host.h"
#include "plugins/limit_script.h"
#include "plugins/text.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
// A held request is answered by what runs it, however long that takes.
constexpr uint64_t kForEverMs = uint64_t{366} * 86'400'000;
constexpr uint64_t kPollMsMin = 5;    // how soon another's claim is looked at again
constexpr uint64_t kPollMsMax = 250;  // … at last
constexpr int kClaimTriesMax = 4;     // when nobody knows whether it was made
constexpr uint64_t kRetryMsMin = 20;  // then, and before what a claim ends with is said again
constexpr uint64_t kRetryMsMax = 1000;
constexpr int kSettleTriesMax = 10;      // about five seconds
constexpr int kRunsMax = 3;              // of a command that may run again
constexpr uint64_t kTimeoutsOfRun = 10;  // of request_timeout_ms: its client hears one of them

std::string MakeSeed() {
  std::random_device device;
  return Concat(uint64_t{device()}, ":", uint64_t{device()}, ":", uint64_t{device()}, ":",
                uint64_t{device()});
}

std::string_view CodeOf(std::string_view error) {
  return error.substr(1, error.find_first_of(" \r") - 1);
}

// Redis did not do what was asked, and says why: that is no outcome of the command.
bool IsRefusal(std::string_view error) {
  constexpr std::string_view kCodes[] = {
      "ASK",      "BUSY",  "CLUSTERDOWN", "CROSSSLOT", "LOADING",  "MASTERDOWN",
      "MISCONF",  "MOVED", "NOAUTH",      "NOPERM",    "NOPROTO",  "NOREPLICAS",
      "NOSCRIPT", "OOM",   "READONLY",    "TRYAGAIN",  "UNBLOCKED"};
  return std::find(std::begin(kCodes), std::end(kCodes), CodeOf(error)) != std::end(kCodes);
}

bool IsNull(std::string_view reply) {
  return reply == "_\r\n" || reply == "*-1\r\n" || reply == "$-1\r\n";
}

constexpr std::string_view kTooLarge = "-ERR weir: the reply is too large\r\n";
constexpr uint64_t kTooLargeBytes = uint64_t{16} << 20;

}  // namespace

CommandFate FateOf(std::string_view reply) {
  if (!reply.starts_with('-')) return CommandFate::kAnswered;
  const std::string_view line = reply.substr(0, reply.find('\r'));
  const size_t space = line.find(' ');
  const bool of_weir =
      space != std::string_view::npos && line.substr(space + 1).starts_with("weir: ");
  if (!of_weir) return CommandFate::kAnswered;
  constexpr std::string_view kNeverSent[] = {
      "-DOWN weir: no connection to ", "-ERR weir: links_max is reached",
      "-ERR weir: pinned_connections_max is reached", "-CLUSTERDOWN weir: "};
  const bool never_sent =
      std::any_of(std::begin(kNeverSent), std::end(kNeverSent),
                  [line](std::string_view text) { return line.starts_with(text); }) ||
      line.ends_with("; it did not run") ||
      (line.starts_with("-DOWN weir: ") && line.find(" is sent nothing for now") != line.npos);
  return never_sent ? CommandFate::kNotRun : CommandFate::kUnknown;
}

// One request under a token, from the claim to the record. IdemClaims owns it.
class Claim final : public std::enable_shared_from_this<Claim> {
 public:
  Claim(IdemClaims* all, ClaimTask task, IdemRuleCounts* rule, RequestView& request)
      : all_(*all),
        host_(*all->host_),
        task_(std::move(task)),
        rule_(*rule),
        client_(host_.ClientOf(request.session())),
        upstream_(request.upstream()),
        protocol_version_(request.session().protocol_version()),
        begun_ns_(host_.NowNs()),
        hold_(std::make_unique<Hold>(request.MakeHold(kForEverMs))) {}

  void Begin() { TryToClaim(); }

  // Nobody waits for the reply any more.
  void OnClientGone() {
    client_gone_ = true;
    if (call_ != nullptr && task_.blocks) call_->Unblock();
  }

 private:
  using Answered = void (Claim::*)(const std::optional<ClaimAnswer>&, std::string_view);

  // ---- steps

  void Ask(ClaimStep step, const std::string& body, Answered then) {
    Send(ClaimArgs(task_.question, step, body, /*with_text=*/false),
         [this, step, body, then](std::string_view reply) {
           if (!IsNoScript(reply)) return (this->*then)(ParseClaimAnswer(reply), reply);
           Send(ClaimArgs(task_.question, step, body, /*with_text=*/true),
                [this, then](std::string_view second) {
                  (this->*then)(ParseClaimAnswer(second), second);
                });
         });
  }

  template <typename Then>
  void Send(std::vector<std::string> args, Then then) {
    host_.CallFor(client_,
                  {.upstream = upstream_, .key = task_.question.record, .args = std::move(args)},
                  [weak = weak_from_this(), then = std::move(then)](std::string_view reply) {
                    const std::shared_ptr<Claim> self = weak.lock();
                    if (self != nullptr) then(reply);
                  });
  }

  void After(std::unique_ptr<HostTimer>* timer, uint64_t delay_ms, void (Claim::*call)()) {
    *timer = host_.After(delay_ms, [weak = weak_from_this(), call] {
      const std::shared_ptr<Claim> self = weak.lock();
      if (self != nullptr) (self.get()->*call)();
    });
  }

  uint64_t WaitedMs() const { return (host_.NowNs() - begun_ns_) / kNsPerMs; }

  // ---- to have the claim

  void TryToClaim() {
    // Nothing has run, and nobody asks.
    if (client_gone_ && polls_ != 0) return End();
    Ask(ClaimStep::kClaim, "", &Claim::OnClaim);
  }

  void OnClaim(const std::optional<ClaimAnswer>& answer, std::string_view reply) {
    if (!answer) return OnNoClaim(reply);
    switch (answer->event) {
      case ClaimEvent::kClaimed:
      case ClaimEvent::kTaken:
        return Start();
      case ClaimEvent::kWait:
        return WaitForOwner(answer->body);
      case ClaimEvent::kReplay:
        Answer(IdemOutcome::kReplayed, SayRecord(answer->body));
        return End();
      case ClaimEvent::kMismatch:
        Answer(IdemOutcome::kMismatched,
               Concat("-IDEMMISMATCH rule=", rule_.name, " reason=other_arguments\r\n"));
        return End();
      case ClaimEvent::kUnknown:
      default:
        Answer(IdemOutcome::kUnknown,
               Concat("-IDEMUNKNOWN rule=", rule_.name, " reason=owner_died\r\n"));
        return End();
    }
  }

  void OnNoClaim(std::string_view reply) {
    // The first may be the very script that keeps the node busy.
    if (reply.starts_with("-BUSY ")) return WaitForOwner("");
    const bool unknown = FateOf(reply) == CommandFate::kUnknown;
    if (unknown && ++claim_tries_ < kClaimTriesMax) {
      return After(&timer_, kRetryMsMin << claim_tries_, &Claim::TryToClaim);
    }
    // Nothing has run. What Redis says is about the record, and true for the request as well.
    final_outcome_ = IdemOutcome::kUnanswered;
    final_reply_ = unknown ? Concat(
                                 "-DOWN weir: the token's record could not be reached, so nothing "
                                 "ran (",
                                 reply.substr(1, reply.find('\r') - 1), ")\r\n")
                           : std::string(reply);
    if (!unknown) return Say();
    Settle(ClaimStep::kRelease, "");
  }

  void WaitForOwner(std::string_view holds_for) {
    const uint64_t waited_ms = WaitedMs();
    if (waited_ms >= task_.wait_ms) {
      Answer(IdemOutcome::kTimedOut,
             Concat("-IDEMTIMEOUT rule=", rule_.name, " waited_ms=", waited_ms, "\r\n"));
      return End();
    }
    int64_t holds_for_ms = 0;
    uint64_t wait_ms = std::min(kPollMsMin << std::min(polls_++, 10), kPollMsMax);
    if (ParseWireNumber(holds_for, &holds_for_ms) && holds_for_ms >= 0) {
      wait_ms = std::min(wait_ms, static_cast<uint64_t>(holds_for_ms) + 1);
    }
    After(&timer_, std::min(wait_ms, task_.wait_ms - waited_ms), &Claim::TryToClaim);
  }

  // ---- to run

  void Start() {
    if (client_gone_) return Settle(ClaimStep::kRelease, "");
    const uint64_t timeout_ms = host_.RequestTimeoutMs(upstream_);
    if (!task_.blocks && timeout_ms != 0) After(&patience_, timeout_ms, &Claim::OnPatienceOver);
    KeepAlive();
    RunOnce();
  }

  void RunOnce() {
    ++runs_;
    call_ = host_.CallFor(client_,
                          {.upstream = upstream_,
                           .key = task_.key,
                           .args = task_.args,
                           .blocks = task_.blocks,
                           .is_script = task_.is_script,
                           .timeouts = kTimeoutsOfRun},
                          [weak = weak_from_this()](std::string_view reply) {
                            const std::shared_ptr<Claim> self = weak.lock();
                            if (self != nullptr) self->OnReply(reply);
                          });
  }

  // What it says is recorded all the same.
  void OnPatienceOver() {
    Answer(IdemOutcome::kTimedOut,
           Concat("-IDEMTIMEOUT rule=", rule_.name, " waited_ms=", WaitedMs(), "\r\n"));
  }

  void KeepAlive() { After(&heartbeat_, task_.question.claim_ms / 3, &Claim::Renew); }

  void Renew() {
    renewing_ = true;
    if (client_gone_ && task_.blocks && call_ != nullptr) call_->Unblock();
    Ask(ClaimStep::kRenew, "", &Claim::OnRenewed);
  }

  void OnRenewed(const std::optional<ClaimAnswer>&, std::string_view) {
    renewing_ = false;
    if (!reply_.empty()) return Judge();
    KeepAlive();
  }

  void OnReply(std::string_view reply) {
    call_.reset();
    reply_ = reply;
    heartbeat_.reset();
    // A renewal that comes behind what ends the claim would begin it anew.
    if (!renewing_) Judge();
  }

  // What is to become of the claim, now that the command has ended.
  void Judge() {
    const CommandFate fate = reply_ == kTooLarge ? CommandFate::kAnswered : FateOf(reply_);
    if (fate == CommandFate::kUnknown && task_.question.run_again && runs_ < kRunsMax) {
      reply_.clear();
      KeepAlive();
      return After(&timer_, kRetryMsMin << runs_, &Claim::RunOnce);
    }
    if (fate == CommandFate::kUnknown) {
      final_outcome_ = IdemOutcome::kUnknown;
      final_reply_ = Concat("-IDEMUNKNOWN rule=", rule_.name, " reason=connection_lost\r\n");
      return Settle(ClaimStep::kAbandon, "");
    }
    const bool error = reply_.starts_with('-') && reply_ != kTooLarge;
    const bool unrecorded = error && (!task_.record_errors || IsRefusal(reply_));
    // It was unblocked because its client had left: nothing came of it.
    const bool in_vain = client_gone_ && task_.blocks && IsNull(reply_);
    if (fate == CommandFate::kNotRun || unrecorded || in_vain) {
      final_outcome_ =
          fate == CommandFate::kNotRun ? IdemOutcome::kUnanswered : IdemOutcome::kFailed;
      final_reply_ = reply_;
      return Settle(ClaimStep::kRelease, "");
    }
    final_outcome_ = IdemOutcome::kRan;
    std::string body = Concat("3", reply_);
    if (reply_ == kTooLarge) {
      body = Concat("L", kTooLargeBytes);
      final_reply_ = SayRecord(body);
    } else {
      final_reply_ = SayRecord(body);
      if (reply_.size() > task_.reply_bytes_max) body = Concat("L", reply_.size());
    }
    Settle(ClaimStep::kStore, std::move(body));
  }

  // ---- to end

  // Says to the record how it ended, until that is heard.
  void Settle(ClaimStep step, std::string body) {
    settling_ = step;
    body_ = std::move(body);
    SettleAgain();
  }
  void SettleAgain() { Ask(settling_, body_, &Claim::OnSettled); }

  void OnSettled(const std::optional<ClaimAnswer>& answer, std::string_view) {
    if (!answer && ++settle_tries_ < kSettleTriesMax) {
      const uint64_t wait_ms = std::min(kRetryMsMin << settle_tries_, kRetryMsMax);
      return After(&timer_, wait_ms, &Claim::SettleAgain);
    }
    if (settling_ == ClaimStep::kStore && !answer) final_outcome_ = IdemOutcome::kUnrecorded;
    if (settling_ == ClaimStep::kStore && answer && answer->event != ClaimEvent::kDone) {
      // What the other's command answers is what this token means now.
      final_outcome_ = IdemOutcome::kTakenOver;
      final_reply_ = Concat("-IDEMUNKNOWN rule=", rule_.name, " reason=taken_over\r\n");
    }
    Say();
  }

  void Say() {
    Answer(final_outcome_, std::move(final_reply_));
    End();
  }

  void Answer(IdemOutcome outcome, std::string reply) {
    patience_.reset();
    const std::unique_ptr<Hold> hold = std::move(hold_);
    if (hold == nullptr) return;
    rule_.Add(outcome);
    hold->Answer(std::move(reply));
  }

  void End() { all_.running_.erase(shared_from_this()); }

  // `body`: what stands in the record behind the fingerprint.
  std::string SayRecord(std::string_view body) const {
    const std::string_view text = body.substr(std::min<size_t>(1, body.size()));
    if (body.starts_with('3')) {
      auto said = SayRecordedResp3(text, task_.shape, protocol_version_);
      if (said) return *std::move(said);
    }
    int64_t bytes = 0;
    if (body.starts_with('L') && ParseWireNumber(text, &bytes)) {
      return Concat("-IDEMREPLY rule=", rule_.name, " ran=1 reply_bytes=", bytes,
                    " reply_bytes_max=", task_.reply_bytes_max, "\r\n");
    }
    return Concat("-IDEMREPLY rule=", rule_.name, " ran=1 reason=damaged_record\r\n");
  }

  IdemClaims& all_;
  Host& host_;
  const ClaimTask task_;
  IdemRuleCounts& rule_;
  const std::shared_ptr<const HostClient> client_;
  const int upstream_;
  const int protocol_version_;
  const uint64_t begun_ns_;
  std::unique_ptr<Hold> hold_;  // null: it was answered
  std::unique_ptr<HostTimer> timer_;
  std::unique_ptr<HostTimer> heartbeat_;
  std::unique_ptr<HostTimer> patience_;
  std::shared_ptr<HostCall> call_;  // the command, on its way
  bool client_gone_ = false;
  bool renewing_ = false;
  int polls_ = 0;
  int claim_tries_ = 0;
  int runs_ = 0;
  int settle_tries_ = 0;
  std::string reply_;  // the command's; empty: none yet
  ClaimStep settling_ = ClaimStep::kRelease;
  std::string body_;  // of kStore
  IdemOutcome final_outcome_ = IdemOutcome::kUnanswered;
  std::string final_reply_;
};

namespace {

// Goes with the client's request, answered or not.
struct ClientWatch final : RequestView::Kept {
  explicit ClientWatch(std::weak_ptr<Claim> of) : claim(std::move(of)) {}
  ~ClientWatch() override {
    if (const std::shared_ptr<Claim> alive = claim.lock()) alive->OnClientGone();
  }
  const std::weak_ptr<Claim> claim;
};

}  // namespace

IdemClaims::IdemClaims(Host* host) : host_(host), seed_(MakeSeed()) {}
IdemClaims::~IdemClaims() = default;

void IdemClaims::Run(ClaimTask task, IdemRuleCounts* rule, RequestView& request) {
  task.question.owner = HashedName(Concat(seed_, ":", number_++));
  const auto claim = std::make_shared<Claim>(this, std::move(task), rule, request);
  running_.insert(claim);
  request.KeepUntilDone(std::make_unique<ClientWatch>(claim));
  claim->Begin();
}

}  // namespace weir
