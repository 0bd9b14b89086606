// The plugin idempotency: which requests carry a token, and what is said to them.
//
//   OnRequest --WEIR.IDEM--> the command within ---------.
//             --no rule, or no token--> on               |
//             --rule, action shadow--> on, and Redis is asked what would have become of it
//             --rule, action once--> without its token, if that is stripped
//                                                        v
//                    a script that runs it, or finds its record (idem_script.h); or, if no script
//                    can, a claim under which it runs (idem_claim.h)
//   OnReply   the script's answer becomes the command's own (idem_reply.h)
//
// The script goes the way of the client's own requests: in its db, by its user, in its order, to
// the node of its keys. Plugins behind this one see the command within, so a limit counts it.
#include "plugins/idempotency.h"

#include <utility>

#include "plugins/host.h"
#include "plugins/idem_claim.h"
#include "plugins/idem_command.h"
#include "plugins/idem_script.h"
#include "plugins/idem_token.h"
#include "plugins/idempotency_config.h"
#include "plugins/idempotency_counts.h"
#include "plugins/limit_script.h"
#include "plugins/plugin.h"
#include "plugins/text.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"
#include "routing/command_class.h"

namespace weir {
namespace {

constexpr std::string_view kCommandName = "weir.idem";

std::string NameOf(const ArgList& args, const CommandEntry* entry) {
  if (entry != nullptr && entry->spec != nullptr) return entry->spec->name;
  return Printable(args[0].substr(0, 64));
}

std::string ErrorLine(std::string_view text) {
  std::string line;
  ReplyWriter(&line, 2).Error(text);
  return line;
}

// Whose tokens these are. Neither users nor prefixes have a NUL byte.
std::string OwnerOf(SessionView& session) {
  const std::string_view prefix = session.names_prefix();
  return prefix.empty() ? std::string(session.user())
                        : Concat(session.user(), std::string_view("\0", 1), prefix);
}

class Idempotency final : public Plugin {
 public:
  Idempotency(IdempotencySettings settings, std::shared_ptr<IdempotencyCounts> counts, Host& host)
      : host_(host),
        rules_slot_(host.TakeSessionSlot()),
        asked_slot_(host.TakeSessionSlot()),
        settings_(std::move(settings)),
        counts_(std::move(counts)),
        claims_(&host) {
    std::vector<RuleMatch> matches;
    for (const IdemRuleSettings& rule : settings_.rules) {
      sources_.push_back(ParseIdemTokenSource(rule.token).value());
      if (sources_.back().of_key()) needs_key_ |= RuleSet::Rules{1} << matches.size();
      matches.push_back(rule);
    }
    matcher_ = RuleSet(std::move(matches));
  }

  std::string_view name() const override { return "idempotency"; }
  HookSet hooks() const override { return kHookOpen | kHookRequest | kHookReply; }
  std::vector<const CommandSpec*> commands() const override { return IdemCommandSpecs(); }

  Verdict OnOpen(SessionView& session) override {
    session.word(rules_slot_) =
        matcher_.ForClient(IpAddressOfPeer(session.address()), session.listener());
    return Verdict::kContinue;
  }

  Verdict OnRequest(RequestView& request) override {
    if (request.args()[0].size() == kCommandName.size() && IsIdemCommand(request.args()[0]))
        [[unlikely]] {
      return RunCommand(request);
    }
    const RuleSet::Match match =
        FindRule(request.session(), request.args(), request.entry(), request.upstream());
    return match.rule == RuleSet::kNone ? Verdict::kContinue : ApplyRule(match, request);
  }

  void OnReply(ReplyView& reply) override {
    const std::optional<IdemAnswer> answer = ParseIdemAnswer(reply.bytes());
    if (!answer) {
      counts_->rule(reply.session().word(asked_slot_)).Add(IdemOutcome::kUnanswered);
      return;
    }
    reply.Replace(Say(*answer, reply.session().protocol_version()));
  }

  std::string Explain(SessionView& session, const ArgList& args, const CommandEntry* entry,
                      int upstream) override {
    if (IsIdemCommand(args[0])) {
      return "looks for the token's record, and runs the command within if there is none";
    }
    const RuleSet::Match match = FindRule(session, args, entry, upstream);
    return match.rule == RuleSet::kNone ? "" : Describe(match, args, entry);
  }

 private:
  RuleSet::Match FindRule(SessionView& session, const ArgList& args, const CommandEntry* entry,
                          int upstream) {
    const RuleSet::Rules of_command = matcher_.ForCommand(entry, args, upstream);
    if (of_command == 0) return {};
    const RuleSet::Rules candidates = of_command & session.word(rules_slot_);
    if (candidates == 0) return {};
    return matcher_.Find(candidates, needs_key_, session, entry, args);
  }

  // ---- WEIR.IDEM

  Verdict RunCommand(RequestView& request) {
    if (!request.is_whole()) return RefuseLarge(kIdemCommandRule, request);
    const ArgList& args = request.args();
    std::string error;
    const std::optional<IdemCommand> command =
        ParseIdemCommand(args, static_cast<uint64_t>(settings_.ttl_ms_max), &error);
    if (!command) return Refuse(kIdemCommandRule, std::move(error), request);
    IdemQuestion question;
    question.ttl_ms =
        command->ttl_ms == 0 ? static_cast<uint64_t>(settings_.ttl_ms) : command->ttl_ms;
    const uint64_t wait_ms = command->wait_ms.value_or(static_cast<uint64_t>(settings_.wait_ms));
    const std::string token(command->token);
    std::vector<std::string> within;
    for (uint32_t i = command->within; i < args.size(); ++i) within.emplace_back(args[i]);
    // It is about the command within from here on, also for the plugins behind.
    request.Rewrite(std::move(within));
    const std::string owner = OwnerOf(request.session());
    return Send({kCommandName, owner}, token, std::move(question), {wait_ms, settings_.on_unknown},
                request);
  }

  // ---- rules

  Verdict ApplyRule(const RuleSet::Match& match, RequestView& request) {
    const auto index = static_cast<size_t>(match.rule);
    const IdemRuleSettings& rule = settings_.rules[index];
    const IdemTokenSource& source = sources_[index];
    const CommandEntry* entry = request.entry();
    if (entry != nullptr && PassesAnyRule(*entry)) return Verdict::kContinue;
    const bool shadow = rule.action == IdemAction::kShadow;
    // Its token may stand behind what is there of it.
    if (!request.is_whole() && !shadow) return RefuseLarge(index, request);
    const std::string token(FindIdemToken(source, request.args(), match.key));
    if (token.empty()) {
      counts_->rule(index).Add(IdemOutcome::kWithoutToken);
      return Verdict::kContinue;
    }
    if (shadow) {
      AskShadow(index, token, match, request);
      return Verdict::kContinue;
    }
    if (rule.strip) {
      request.Rewrite(StripIdemToken(source, request.args(), match.key));
    }
    IdemQuestion question;
    question.ttl_ms = static_cast<uint64_t>(rule.ttl_ms);
    question.record_errors = rule.record_errors;
    question.rule = index;
    const std::string owner = OwnerOf(request.session());
    return Send({rule.name, owner}, token, std::move(question),
                {static_cast<uint64_t>(rule.wait_ms), rule.on_unknown}, request);
  }

  // What changes nothing, or is weir's own to answer, needs no token.
  static bool PassesAnyRule(const CommandEntry& entry) {
    if (entry.handling == Handling::kLocal || entry.handling == Handling::kSubscribe) return true;
    return entry.spec != nullptr && entry.spec->flags.Has(CommandFlag::kReadonly);
  }

  // ---- both

  // What only matters under a claim.
  struct ClaimWishes {
    uint64_t wait_ms;
    OnUnknown on_unknown;
  };

  // The request as it is now goes as a script, or else under a claim, if it can.
  Verdict Send(const IdemScope& scope, std::string_view token, IdemQuestion question,
               const ClaimWishes& wishes, RequestView& request) {
    const std::string whose = NameOfRule(question.rule);
    const ArgList& args = request.args();
    const IdemPlan plan = PlanIdem(args, request.entry());
    if (plan.kind == IdemPlan::Kind::kRefuse) {
      return Refuse(
          question.rule,
          ErrorLine(Concat("-ERR weir: ", whose, " cannot run '", NameOf(args, request.entry()),
                           "' once, because it ", plan.why)),
          request);
    }
    if (plan.kind == IdemPlan::Kind::kPass) return PassAsItIs(question.rule, whose, request);
    if (request.session().in_transaction()) {
      // EXEC would answer what only the script understands.
      return Refuse(question.rule,
                    ErrorLine(Concat("-ERR weir: ", whose, " is not possible inside MULTI")),
                    request);
    }
    // What has no keys can run anywhere, so its record may lie anywhere.
    question.record = IdemRecordKey(scope, token, plan.keys.empty() ? token : args[plan.keys[0]]);
    if (plan.kind == IdemPlan::Kind::kClaim) return RunClaimed(question, plan, wishes, request);
    question.reply_bytes_max = static_cast<uint64_t>(settings_.reply_bytes_max);
    request.SendScript(IdemScriptArgs(question, plan, args), IdemScriptText(), question.ttl_ms);
    request.WantReply();
    request.session().word(asked_slot_) = question.rule;
    return Verdict::kContinue;
  }

  Verdict RunClaimed(const IdemQuestion& question, const IdemPlan& plan, const ClaimWishes& wishes,
                     RequestView& request) {
    if (claims_.running() >= static_cast<size_t>(settings_.claims_max)) {
      return Refuse(question.rule,
                    ErrorLine(Concat("-ERR weir: claims_max = ", settings_.claims_max,
                                     " commands under a claim are on their way in this worker")),
                    request);
    }
    const ArgList& args = request.args();
    ClaimTask task;
    task.question = {.record = question.record,
                     .fingerprint = IdemFingerprint(args),
                     .owner = "",
                     .ttl_ms = question.ttl_ms,
                     .claim_ms = static_cast<uint64_t>(settings_.claim_ms),
                     .run_again = wishes.on_unknown == OnUnknown::kRunAgain};
    task.wait_ms = wishes.wait_ms;
    task.reply_bytes_max = static_cast<uint64_t>(settings_.reply_bytes_max);
    task.record_errors = question.record_errors;
    task.blocks = plan.blocks;
    task.is_script = plan.is_script;
    task.shape = plan.shape;
    if (!plan.keys.empty()) task.key = args[plan.keys[0]];
    for (uint32_t i = 0; i < args.size(); ++i) task.args.emplace_back(args[i]);
    auto shared = std::make_shared<ClaimTask>(std::move(task));
    request.AnswerInstead(plan.blocks, [this, rule = question.rule, shared](RequestView& view) {
      claims_.Run(std::move(*shared), &counts_->rule(rule), view);
    });
    return Verdict::kContinue;
  }

  std::string NameOfRule(size_t rule) const {
    if (rule == kIdemCommandRule) return "WEIR.IDEM";
    return Concat("the idempotency rule ", settings_.rules[rule].name);
  }

  Verdict RefuseLarge(size_t rule, RequestView& request) {
    const std::string line = Concat("-ERR weir: ", NameOfRule(rule),
                                    " does not take a request above request_buffer_bytes_max");
    return Refuse(rule, ErrorLine(line), request);
  }

  // Redis or weir will refuse it, or it changes nothing: then a token says nothing about it.
  Verdict PassAsItIs(size_t rule, std::string_view whose, RequestView& request) {
    const CommandEntry* entry = request.entry();
    const bool reads = entry->handling != Handling::kDenied && entry->spec != nullptr &&
                       entry->spec->flags.Has(CommandFlag::kReadonly);
    if (!reads) return Verdict::kContinue;
    return Refuse(rule,
                  ErrorLine(Concat("-ERR weir: ", whose, " is for commands that write; send '",
                                   entry->spec->name, "' without a token")),
                  request);
  }

  Verdict Refuse(size_t rule, std::string line, RequestView& request) {
    counts_->rule(rule).Add(IdemOutcome::kRefused);
    request.Answer(std::move(line));
    return Verdict::kAnswered;
  }

  // The client's reply.
  std::string Say(const IdemAnswer& answer, int protocol_version) {
    IdemRuleCounts& counts = counts_->rule(answer.rule);
    switch (answer.event) {
      case IdemEvent::kRan:
        counts.Add(IdemOutcome::kRan);
        break;
      case IdemEvent::kReplayed:
        counts.Add(IdemOutcome::kReplayed);
        break;
      case IdemEvent::kFailed:
        counts.Add(IdemOutcome::kFailed);
        break;
      case IdemEvent::kMismatch:
        counts.Add(IdemOutcome::kMismatched);
        return Concat("-IDEMMISMATCH rule=", counts.name, " reason=other_arguments\r\n");
    }
    if (answer.state == '=') {
      auto said = SayRecorded(answer.body, answer.shape, protocol_version);
      if (said) return *std::move(said);
    }
    // It ran, but what it said is not known any more. Whoever may write records may have written
    // this one, so not even the number is taken as it is.
    int64_t bytes = 0;
    if (answer.state == 'L' && ParseWireNumber(answer.body, &bytes)) {
      return Concat("-IDEMREPLY rule=", counts.name, " ran=1 reply_bytes=", answer.body,
                    " reply_bytes_max=", settings_.reply_bytes_max, "\r\n");
    }
    return Concat("-IDEMREPLY rule=", counts.name,
                  " ran=1 reason=", answer.state == 'X' ? "inexact_number" : "damaged_record",
                  "\r\n");
  }

  // ---- shadow

  // On the side, by weir's own user and in its own db: the request does not wait for it.
  void AskShadow(size_t index, const std::string& token, const RuleSet::Match& match,
                 RequestView& request) {
    const IdemRuleSettings& rule = settings_.rules[index];
    const ArgList& args = request.args();
    const IdemPlan plan = PlanIdem(args, request.entry());
    const bool counts =
        plan.kind == IdemPlan::Kind::kRun || (plan.kind == IdemPlan::Kind::kClaim &&
                                              (!plan.keys.empty() || match.key != RuleSet::kNoKey));
    if (!counts || !request.is_whole()) return;
    const std::string fingerprint = IdemFingerprint(args);
    const std::string owner =
        Concat("shadow:", request.session().db(), ":", OwnerOf(request.session()));
    const std::string_view key = args[match.key == RuleSet::kNoKey ? plan.keys[0] : match.key];
    const std::string record = IdemRecordKey({rule.name, owner}, token, key);
    std::string ask;
    AppendRequest(&ask,
                  {"SET", record, fingerprint, "NX", "GET", "PX", std::to_string(rule.ttl_ms)});
    host_.Call(request.upstream(), record, std::move(ask),
               [this, index, fingerprint](std::string_view reply) {
                 counts_->rule(index).Add(ShadowOutcome(reply, fingerprint));
               });
  }

  static IdemOutcome ShadowOutcome(std::string_view reply, std::string_view fingerprint) {
    if (reply == "$-1\r\n") return IdemOutcome::kShadowRan;
    if (!reply.starts_with('$')) return IdemOutcome::kShadowUnknown;
    const bool same = reply == Concat("$", fingerprint.size(), "\r\n", fingerprint, "\r\n");
    return same ? IdemOutcome::kShadowReplayed : IdemOutcome::kShadowMismatched;
  }

  // ---- WEIR EXPLAIN

  std::string Describe(const RuleSet::Match& match, const ArgList& args,
                       const CommandEntry* entry) const {
    const auto index = static_cast<size_t>(match.rule);
    const IdemRuleSettings& rule = settings_.rules[index];
    const bool shadow = rule.action == IdemAction::kShadow;
    std::string text =
        Concat("rule ", rule.name, " (", shadow ? "shadow" : "once", "): token ", rule.token,
               rule.strip ? ", stripped" : "", ", kept for ", rule.ttl_ms, " ms");
    if (entry != nullptr && PassesAnyRule(*entry)) return text + "; this command needs none";
    if (FindIdemToken(sources_[index], args, match.key).empty()) {
      return text + "; not there, so the request passes as it is";
    }
    if (shadow) return text;
    const std::vector<std::string> stripped =
        rule.strip ? StripIdemToken(sources_[index], args, match.key) : std::vector<std::string>();
    const std::vector<std::string_view> views(stripped.begin(), stripped.end());
    const IdemPlan plan = PlanIdem(rule.strip ? ArgList(absl::MakeConstSpan(views)) : args, entry);
    if (plan.kind == IdemPlan::Kind::kRefuse)
      return Concat(text, "; refused, because it ", plan.why);
    if (plan.kind == IdemPlan::Kind::kClaim) return text + "; runs under a claim";
    return text;
  }

  Host& host_;
  // A session's words: its RuleSet::Rules, and the rule of its script on the way. There is one at
  // most, because what is behind it waits.
  const size_t rules_slot_;
  const size_t asked_slot_;
  const IdempotencySettings settings_;
  const std::shared_ptr<IdempotencyCounts> counts_;
  IdemClaims claims_;
  std::vector<IdemTokenSource> sources_;  // by rule
  RuleSet matcher_;
  RuleSet::Rules needs_key_ = 0;
};

void CheckIdempotency(const PluginConfig& config, ConfigErrors* errors) {
  ReadIdempotency(config, errors);
}

}  // namespace

PluginSchema IdempotencySchema() {
  return {"idempotency",
          "Runs a write once for each token, and answers its repeats from a record.",
          false,
          IdempotencyKeys(),
          &IdempotencyDefaults(),
          IdempotencyTables(),
          &CheckIdempotency};
}

absl::StatusOr<std::unique_ptr<Plugin>> MakeIdempotency(const PluginConfig& config, Host& host) {
  ConfigErrors errors(config.filename);
  IdempotencySettings settings = ReadIdempotency(config, &errors);
  if (!errors.empty()) return errors.ToStatus();
  std::vector<std::string> names;
  for (const IdemRuleSettings& rule : settings.rules) names.push_back(rule.name);
  auto counts = std::make_shared<IdempotencyCounts>(names);
  host.AddMetrics(counts);
  return std::make_unique<Idempotency>(std::move(settings), std::move(counts), host);
}

}  // namespace weir
