// The plugin rate_limit: which rule is for a request, and what becomes of it.
//
//   OnRequest --no rule--> on                                     (one look-up)
//             --WEIR.LIMIT, CL.THROTTLE--> held, Redis decides, answered
//             --rule, scope local--> decided at once: on, an error, or held until its turn
//             --rule, scope shared--> a lease: on; else held until Redis has decided
//
// A rule that counts auth_failures takes its points before the password is looked at, so that a
// hundred guesses at once are a hundred, and gives them back when nobody said that it was wrong.
#include "plugins/rate_limit.h"

#include <utility>

#include "plugins/delay_queue.h"
#include "plugins/host.h"
#include "plugins/limit_commands.h"
#include "plugins/limit_rule.h"
#include "plugins/plugin.h"
#include "plugins/rate_limit_counts.h"
#include "plugins/shared_limits.h"
#include "plugins/text.h"
#include "routing/command_class.h"

namespace weir {
namespace {

constexpr std::string_view kShareName = "rate_limit";
constexpr uint64_t kNsPerMs = 1'000'000;
// A hold's own deadline is for a plugin that forgets, so it lies well behind the plugin's.
constexpr uint64_t kHoldSlackMs = 10'000;
constexpr uint64_t kCommandTimeoutMs = 60'000;  // upstream's own request_timeout_ms comes first

uint64_t UpToMs(uint64_t ns) { return (ns + kNsPerMs - 1) / kNsPerMs; }

struct AuthAttempt;

// What the plugin knows of a client.
struct Client {
  IpAddress address;
  RuleSet::Rules rules = 0;        // by address and listener
  AuthAttempt* attempt = nullptr;  // on its way
};

// Points taken for an AUTH whose outcome is not known yet.
struct AuthAttempt final : RequestView::Kept {
  ~AuthAttempt() override {
    if (client != nullptr) client->attempt = nullptr;
    if (!failed) RefundLocally(*rule, time, &charges);
  }
  std::shared_ptr<const LimitRules> rules;  // keeps the rule
  const CompiledRule* rule = nullptr;
  LimitCharges charges;
  uint64_t time = 0;
  Client* client = nullptr;  // null: it has left
  bool failed = false;
};

// A place among the requests at the same time.
struct Presence final : RequestView::Kept {
  Presence(std::shared_ptr<const LimitRules> all, LimitTable* in, size_t at)
      : rules(std::move(all)), table(in), slot(at) {}
  ~Presence() override { table->Release(slot); }
  const std::shared_ptr<const LimitRules> rules;
  LimitTable* const table;
  const size_t slot;
};

// A request that waits for Redis' word, or for the end of its patience.
struct Asking {
  std::unique_ptr<Hold> hold;  // null: shadow, nobody waits
  std::unique_ptr<HostTimer> patience;
  uint64_t bytes = 0;
};

class RateLimit final : public Plugin {
 public:
  RateLimit(std::shared_ptr<const LimitRules> rules, std::shared_ptr<RateLimitCounts> counts,
            Host& host)
      : host_(host),
        client_slot_(host.TakeSessionSlot()),
        rules_(std::move(rules)),
        counts_(std::move(counts)),
        delayed_(&host),
        leases_(&host),
        delayed_bytes_(rules_->size()) {
    std::vector<RuleMatch> matches;
    for (size_t i = 0; i < rules_->size(); ++i) {
      const CompiledRule& rule = (*rules_)[i];
      matches.push_back(rule.settings);
      if (rule.by_key) needs_key_ |= RuleSet::Rules{1} << i;
      counts_auth_ = counts_auth_ || rule.settings.counts == LimitCounts::kAuthFailures;
    }
    matcher_ = RuleSet(std::move(matches));
  }

  std::string_view name() const override { return "rate_limit"; }
  HookSet hooks() const override {
    const HookSet always = kHookOpen | kHookRequest | kHookClose;
    return counts_auth_ ? always | kHookError : always;
  }
  std::vector<const CommandSpec*> commands() const override { return LimitCommandSpecs(); }

  Verdict OnOpen(SessionView& session) override {
    auto* client = new Client;
    client->address = IpAddressOfPeer(session.address());
    client->rules = matcher_.ForClient(client->address, session.listener());
    session.word(client_slot_) = reinterpret_cast<uint64_t>(client);
    return Verdict::kContinue;
  }

  void OnClose(SessionView& session) override {
    Client* const client = ClientOf(session);
    if (client->attempt != nullptr) client->attempt->client = nullptr;
    delete client;
  }

  Verdict OnRequest(RequestView& request) override {
    const ArgList& args = request.args();
    // Redis may know CL.THROTTLE, too; ours comes first.
    const size_t name_bytes = args[0].size();
    if ((name_bytes == 10 || name_bytes == 11) && IsLimitCommand(args[0])) [[unlikely]] {
      return RunCommand(request);
    }
    const RuleSet::Rules of_command =
        matcher_.ForCommand(request.entry(), args, request.upstream());
    if (of_command == 0) return Verdict::kContinue;
    Client& client = *ClientOf(request.session());
    const RuleSet::Rules candidates = of_command & client.rules;
    if (candidates == 0) return Verdict::kContinue;
    const RuleSet::Match match =
        matcher_.Find(candidates, needs_key_, request.session(), request.entry(), args);
    if (match.rule == RuleSet::kNone) return Verdict::kContinue;
    const auto index = static_cast<size_t>(match.rule);
    const CompiledRule& rule = (*rules_)[index];
    const IdentitySource source{request.session(), client.address, KeyOf(args, match.key)};
    if (rule.settings.scope == LimitScope::kShared) return DecideShared(index, source, request);
    if (rule.settings.counts == LimitCounts::kAuthFailures && !Authenticates(request)) {
      return Verdict::kContinue;
    }
    return Decide(index, source, client, request);
  }

  // Somebody's password was wrong.
  void OnError(SessionView& session, const CommandEntry* entry, int,
               std::string_view code) override {
    AuthAttempt* const attempt = ClientOf(session)->attempt;
    if (attempt == nullptr || entry == nullptr) return;
    const bool authenticates =
        entry->local == LocalCommand::kAuth || entry->local == LocalCommand::kHello;
    // Servers before 6.0 say "-ERR invalid password".
    if (authenticates && (code == "WRONGPASS" || code == "ERR")) attempt->failed = true;
  }

  std::string Explain(SessionView& session, const ArgList& args, const CommandEntry* entry,
                      int upstream) override {
    if (IsLimitCommand(args[0])) return "asks Redis, and answers it";
    Client& client = *ClientOf(session);
    const RuleSet::Match match =
        matcher_.Find(matcher_.ForCommand(entry, args, upstream) & client.rules, needs_key_,
                      session, entry, args);
    if (match.rule == RuleSet::kNone) return "";
    return Describe((*rules_)[static_cast<size_t>(match.rule)],
                    {session, client.address, KeyOf(args, match.key)});
  }

 private:
  Client* ClientOf(SessionView& session) const {
    return reinterpret_cast<Client*>(session.word(client_slot_));
  }

  static std::string_view KeyOf(const ArgList& args, uint32_t key) {
    return key == RuleSet::kNoKey ? std::string_view() : args[key];
  }

  // AUTH, and HELLO if it brings a password.
  static bool Authenticates(RequestView& request) {
    const CommandEntry* entry = request.entry();
    return entry == nullptr || entry->local != LocalCommand::kHello || request.args().size() > 2;
  }

  // ---- scope local

  Verdict Decide(size_t index, const IdentitySource& source, Client& client, RequestView& request) {
    const CompiledRule& rule = (*rules_)[index];
    LimitRuleCounts& counts = counts_->rule(index);
    const uint64_t time = rules_->Time(host_.NowNs());
    LimitCharges charges;
    for (size_t i = 0; i < rule.limits.size(); ++i) {
      charges[i].hash = IdentityHash(rule.limits[i].identity, source, rules_->seed());
      charges[i].cost = rule.CostOf(rule.limits[i], request);
    }
    const LocalDecision decision = DecideLocally(rule, time, &charges);
    if (decision.evicted != 0) counts.keys_evicted.Add(decision.evicted);
    if (decision.untracked != 0) counts.keys_untracked.Add(decision.untracked);
    if (!decision.allowed) [[unlikely]] {
      const CompiledLimit& limit = rule.limits[decision.which];
      const LimitLook look = limit.Look(charges[decision.which].hash, time);
      return Reject(rule, counts, limit.shape, look.remaining, decision.wait_ns, request);
    }
    if (decision.wait_ns != 0) [[unlikely]] {
      if (!HasRoomToWait(index, request.bytes())) {
        RefundLocally(rule, time, &charges);
        counts.delay_overflow.Add();
        return Reject(rule, counts, rule.limits[0].shape, 0, decision.wait_ns, request);
      }
      Delay(index, decision.wait_ns, request.bytes(),
            request.MakeHold(UpToMs(decision.wait_ns) + kHoldSlackMs));
      return Verdict::kHeld;
    }
    counts[LimitOutcome::kAllowed].Add();
    if (rule.settings.counts == LimitCounts::kAuthFailures) {
      KeepAttempt(rule, charges, time, client, request);
    } else {
      KeepPresence(rule, charges, request);
    }
    return Verdict::kContinue;
  }

  Verdict Reject(const CompiledRule& rule, LimitRuleCounts& counts, const LimitShape& shape,
                 uint64_t remaining, uint64_t retry_ns, RequestView& request) {
    if (rule.settings.action == LimitAction::kShadow) {
      counts[LimitOutcome::kShadowRejected].Add();
      return Verdict::kContinue;
    }
    counts[LimitOutcome::kRejected].Add();
    request.Answer(RejectLine(rule, shape, remaining,
                              retry_ns == kNeverNs ? -1 : static_cast<int64_t>(UpToMs(retry_ns))));
    return Verdict::kAnswered;
  }

  static std::string RejectLine(const CompiledRule& rule, const LimitShape& shape,
                                uint64_t remaining, int64_t retry_ms) {
    std::string line = Concat("-RATELIMIT rule=", rule.settings.name, " limit=", shape.capacity(),
                              " remaining=", remaining);
    // When one of those at work will be done, nobody knows.
    if (shape.algorithm != LimitAlgorithm::kConcurrency) {
      line += Concat(" retry_after_ms=", retry_ms);
    }
    return line + "\r\n";
  }

  void KeepAttempt(const CompiledRule& rule, const LimitCharges& charges, uint64_t time,
                   Client& client, RequestView& request) {
    auto attempt = std::make_unique<AuthAttempt>();
    attempt->rules = rules_;
    attempt->rule = &rule;
    attempt->charges = charges;
    attempt->time = time;
    // A client's AUTHs are answered one after the other, so this is the only one.
    if (client.attempt != nullptr) client.attempt->client = nullptr;
    attempt->client = &client;
    client.attempt = attempt.get();
    request.KeepUntilDone(std::move(attempt));
  }

  void KeepPresence(const CompiledRule& rule, const LimitCharges& charges, RequestView& request) {
    for (size_t i = 0; i < rule.limits.size(); ++i) {
      const CompiledLimit& limit = rule.limits[i];
      if (limit.shape.algorithm != LimitAlgorithm::kConcurrency || !charges[i].taken) continue;
      request.KeepUntilDone(std::make_unique<Presence>(rules_, limit.table.get(), charges[i].slot));
    }
  }

  // ---- delays

  bool HasRoomToWait(size_t index, uint64_t bytes) {
    const LimitRuleSettings& settings = (*rules_)[index].settings;
    return counts_->rule(index).waiting.Get() <
               static_cast<uint64_t>(settings.delayed_requests_max) &&
           delayed_bytes_[index] + bytes <= static_cast<uint64_t>(settings.delayed_bytes_max);
  }

  void Delay(size_t index, uint64_t wait_ns, uint64_t bytes, Hold hold) {
    LimitRuleCounts& counts = counts_->rule(index);
    counts[LimitOutcome::kDelayed].Add();
    counts.waits.Record(wait_ns, 1);
    counts.waiting.Add(1);
    delayed_bytes_[index] += bytes;
    delayed_.Add(wait_ns, std::move(hold), [this, index, bytes] {
      counts_->rule(index).waiting.Add(-1);
      delayed_bytes_[index] -= bytes;
    });
  }

  // ---- scope shared

  ScriptQuestion Question(const CompiledRule& rule, const IdentitySource& source,
                          RequestView& request) {
    ScriptQuestion question;
    const std::string identity = IdentityText(rule.limits[0].identity, source);
    const std::string name = HashedName(identity);
    const bool of_key = rule.by_key;
    for (size_t i = 0; i < rule.limits.size(); ++i) {
      const CompiledLimit& limit = rule.limits[i];
      question.limits.push_back(
          {LimitKey(of_key ? source.key : std::string_view(name),
                    Concat("rule:", rule.settings.name, ":", i, ":", name), limit.shape.algorithm),
           limit.shape, rule.CostOf(limit, request)});
    }
    if (rule.settings.action == LimitAction::kDelay) {
      question.wait_max_ms = static_cast<uint64_t>(rule.settings.delay_ms_max);
    }
    question.grant_max = static_cast<uint64_t>(rule.settings.lease);
    return question;
  }

  Verdict DecideShared(size_t index, const IdentitySource& source, RequestView& request) {
    const CompiledRule& rule = (*rules_)[index];
    const bool leases = rule.settings.lease > 1;
    uint64_t lease = 0;
    if (leases) {
      lease = IdentityHash(rule.limits[0].identity, source,
                           rules_->seed() + index + static_cast<uint64_t>(request.upstream()) * 64);
      if (leases_.Use(lease)) {
        counts_->rule(index)[LimitOutcome::kAllowed].Add();
        return Verdict::kContinue;
      }
    }
    auto asking = std::make_shared<Asking>();
    asking->bytes = request.bytes();
    const bool shadow = rule.settings.action == LimitAction::kShadow;
    if (!shadow) {
      asking->hold = std::make_unique<Hold>(request.MakeHold(
          static_cast<uint64_t>(rule.settings.store_timeout_ms + rule.settings.delay_ms_max) +
          kHoldSlackMs));
      asking->patience = host_.After(static_cast<uint64_t>(rule.settings.store_timeout_ms),
                                     [this, index, weak = std::weak_ptr<Asking>(asking)] {
                                       if (const auto waiting = weak.lock()) {
                                         OnAnswer(index, waiting, std::nullopt);
                                       }
                                     });
    }
    ScriptQuestion question = Question(rule, source, request);
    LimitRuleCounts& counts = counts_->rule(index);
    if (leases) {
      const bool asks = leases_.Wait(
          lease, request.upstream(), std::move(question),
          static_cast<uint64_t>(rule.settings.lease_ms_max),
          [this, index, asking](const auto& answer) { OnAnswer(index, asking, answer); });
      if (asks) counts.script_calls.Add();
    } else {
      counts.script_calls.Add();
      AskLimitScript(&host_, request.upstream(),
                     std::make_shared<const ScriptQuestion>(std::move(question)),
                     [this, index, asking](const auto& answer, std::string_view) {
                       OnAnswer(index, asking, answer);
                     });
    }
    return shadow ? Verdict::kContinue : Verdict::kHeld;
  }

  // Redis has decided, or has not in time.
  void OnAnswer(size_t index, const std::shared_ptr<Asking>& asking,
                const std::optional<ScriptAnswer>& answer) {
    const CompiledRule& rule = (*rules_)[index];
    LimitRuleCounts& counts = counts_->rule(index);
    if (rule.settings.action == LimitAction::kShadow) {
      counts[!answer           ? LimitOutcome::kUncheckedPassed
             : answer->allowed ? LimitOutcome::kAllowed
                               : LimitOutcome::kShadowRejected]
          .Add();
      return;
    }
    if (asking->hold == nullptr) return;  // its patience was over
    const std::unique_ptr<HostTimer> patience = std::move(asking->patience);
    const std::unique_ptr<Hold> hold = std::move(asking->hold);
    if (!answer) {
      const bool open = rule.settings.on_store_error == OnStoreError::kOpen;
      counts[open ? LimitOutcome::kUncheckedPassed : LimitOutcome::kUncheckedRejected].Add();
      if (open) return hold->Resume();
      return hold->Answer(Concat("-RATELIMIT rule=", rule.settings.name, " error=store_down\r\n"));
    }
    if (!answer->allowed) {
      counts[LimitOutcome::kRejected].Add();
      const LimitShape& shape = rule.limits[answer->which % rule.limits.size()].shape;
      const int64_t retry_ms = answer->retry_us < 0 ? -1 : (answer->retry_us + 999) / 1000;
      return hold->Answer(
          RejectLine(rule, shape, static_cast<uint64_t>(answer->remaining), retry_ms));
    }
    if (answer->wait_us == 0) {
      counts[LimitOutcome::kAllowed].Add();
      return hold->Resume();
    }
    if (!HasRoomToWait(index, asking->bytes)) {
      counts.delay_overflow.Add();
      counts[LimitOutcome::kRejected].Add();
      return hold->Answer(RejectLine(rule, rule.limits[0].shape, 0,
                                     static_cast<int64_t>(answer->wait_us + 999) / 1000));
    }
    Delay(index, answer->wait_us * 1000, asking->bytes, std::move(*hold));
  }

  // ---- commands

  Verdict RunCommand(RequestView& request) {
    counts_->commands().Add();
    std::string error;
    std::optional<LimitCommand> command;
    if (request.session().in_transaction()) {
      // It would be answered now, where QUEUED is due.
      error =
          Concat("-ERR weir: '", ToLower(request.args()[0]), "' is not possible inside MULTI\r\n");
    } else {
      command = ParseLimitCommand(request.args(), &error);
    }
    if (!command) {
      request.Answer(std::move(error));
      return Verdict::kAnswered;
    }
    auto hold = std::make_shared<Hold>(request.MakeHold(kCommandTimeoutMs));
    if (command->kind == LimitCommand::Kind::kReset) {
      host_.Call(request.upstream(), command->key, command->ResetRequest(),
                 [hold](std::string_view reply) { hold->Answer(std::string(reply)); });
      return Verdict::kHeld;
    }
    auto shared = std::make_shared<const LimitCommand>(*std::move(command));
    AskLimitScript(
        &host_, request.upstream(),
        std::shared_ptr<const ScriptQuestion>(shared, &shared->question),
        [hold, shared](const std::optional<ScriptAnswer>& answer, std::string_view error_reply) {
          hold->Answer(answer ? shared->Reply(*answer) : std::string(error_reply));
        });
    return Verdict::kHeld;
  }

  // ---- WEIR EXPLAIN

  std::string Describe(const CompiledRule& rule, const IdentitySource& source) const {
    constexpr std::string_view kActions[] = {"reject", "delay", "shadow"};
    std::string text = Concat("rule ", rule.settings.name, " (",
                              kActions[static_cast<size_t>(rule.settings.action)], ", ",
                              rule.settings.scope == LimitScope::kLocal ? "local" : "shared", "):");
    for (const CompiledLimit& limit : rule.limits) {
      const LimitShape& shape = limit.shape;
      text += Concat(text.ends_with(':') ? " " : "; ", LimitAlgorithmName(shape.algorithm), " ",
                     shape.points);
      if (shape.algorithm != LimitAlgorithm::kConcurrency) {
        text += Concat(" in ", shape.period_ms, " ms");
      }
      std::vector<std::string_view> by(limit.settings.by.begin(), limit.settings.by.end());
      text += Concat(" by ", by.empty() ? std::string("constant") : Join(by, " and "));
      if (!limit.local()) continue;
      const uint64_t hash = IdentityHash(limit.identity, source, rules_->seed());
      const LimitLook look = limit.Look(hash, rules_->Time(host_.NowNs()));
      text += Concat(", ", look.remaining, " remaining");
    }
    return text;
  }

  Host& host_;
  const size_t client_slot_;  // a session's word here: its Client
  const std::shared_ptr<const LimitRules> rules_;
  const std::shared_ptr<RateLimitCounts> counts_;
  RuleSet matcher_;
  RuleSet::Rules needs_key_ = 0;
  bool counts_auth_ = false;
  DelayQueue delayed_;
  LimitLeases leases_;
  std::vector<uint64_t> delayed_bytes_;  // by rule
};

void CheckRateLimit(const PluginConfig& config, ConfigErrors* errors) {
  ReadLimitRules(config, errors);
}

}  // namespace

PluginSchema RateLimitSchema() {
  return {"rate_limit",   "Limits how many requests pass, and answers WEIR.LIMIT and CL.THROTTLE.",
          false,          {},
          nullptr,        RateLimitTables(),
          &CheckRateLimit};
}

absl::StatusOr<std::unique_ptr<Plugin>> MakeRateLimit(const PluginConfig& config, Host& host) {
  ConfigErrors errors(config.filename);
  std::vector<LimitRuleSettings> settings = ReadLimitRules(config, &errors);
  if (!errors.empty()) return errors.ToStatus();
  std::vector<std::string> names;
  for (const LimitRuleSettings& rule : settings) names.push_back(rule.name);
  const std::shared_ptr<void> shared = host.Share(kShareName, [&]() -> std::shared_ptr<void> {
    return std::make_shared<LimitRules>(std::move(settings), host.NowNs());
  });
  auto counts = std::make_shared<RateLimitCounts>(names);
  host.AddMetrics(counts);
  return std::make_unique<RateLimit>(std::static_pointer_cast<const LimitRules>(shared),
                                     std::move(counts), host);
}

}  // namespace weir
