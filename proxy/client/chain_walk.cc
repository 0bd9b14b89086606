// A request's way through the plugins before its plan is made.
#include <utility>

#include "plugins/chain.h"
#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/asked.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/request_task.h"
#include "proxy/worker.h"

namespace weir {
namespace {

// A request as the plugins see it.
class WalkView final : public RequestView {
 public:
  // `now`: the request as the plugins before have left it.
  WalkView(Worker& worker, Session& session, const ParsedRequest& now, const CommandEntry* entry,
           int upstream, uint64_t bytes, bool whole, ChainWalk* walk,
           std::unique_ptr<ChainWalk>* kept_walk)
      : RequestView(session, ArgList(now), entry, upstream),
        worker_(worker),
        client_(session),
        now_(now),
        bytes_(bytes),
        whole_(whole),
        walk_(walk),
        kept_walk_(*kept_walk) {}

  uint64_t bytes() const override { return bytes_; }
  void KeepUntilDone(std::unique_ptr<Kept> kept) override {
    walk_->kept.push_back(std::move(kept));
  }

  void Answer(std::string reply) override { walk_->answer = std::move(reply); }

  bool is_whole() const override { return whole_; }
  uint32_t argc_declared() const override { return now_.argc_declared; }

  void SendScript(std::vector<std::string> args, std::string_view text,
                  uint64_t known_for_ms) override {
    walk_->script = ScriptCall{.args = std::move(args), .text = text, .known_for_ms = known_for_ms};
  }

  void AnswerInstead(bool blocks, std::function<void(RequestView&)> call) override {
    walk_->instead = std::move(call);
    walk_->blocks = blocks;
  }

  void Rewrite(std::vector<std::string> args) override {
    const std::vector<std::string_view> views(args.begin(), args.end());
    if (!whole_) return;
    Replace(MadeRequest(views));
    Resolve();
  }
  void PutBefore(absl::Span<const uint32_t> places, std::string_view text) override {
    Replace(MadeRequest(now_, places, text));
    const bool renamed = !places.empty() && places.front() == 0;
    if (renamed) Resolve();
  }

  Hold MakeHold(uint64_t timeout_ms) override {
    // With the session from here on, also because a hold may end within its own call.
    if (kept_walk_ == nullptr) kept_walk_ = std::make_unique<ChainWalk>(std::move(*walk_));
    walk_ = kept_walk_.get();
    if (walk_->rewrite.has_value()) now_ = walk_->rewrite->parsed();
    args_ = ArgList(now_);
    walk_->ticket = worker_.TakeTicket(&client_, nullptr);
    if (walk_->held_ns == 0) walk_->held_ns = worker_.context().NowNs();
    const uint64_t ticket = walk_->ticket;
    Worker* worker = &worker_;
    walk_->deadline = worker_.After(timeout_ms, [worker, ticket, timeout_ms] {
      worker->Answer(ticket, Concat("-ERR weir: a plugin held the request for more than ",
                                    timeout_ms, " ms\r\n"));
    });
    return Hold(&worker_, ticket);
  }

 private:
  void Replace(MadeRequest made) {
    walk_->changed_again = walk_->script.has_value() || walk_->instead != nullptr;
    walk_->rewrite = std::move(made);
    now_ = walk_->rewrite->parsed();
    args_ = ArgList(now_);
  }
  void Resolve() { entry_ = worker_.UpstreamByIndex(upstream_).snapshot().routing->Resolve(args_); }

  Worker& worker_;
  Session& client_;
  ParsedRequest now_;
  const uint64_t bytes_;
  const bool whole_;
  ChainWalk* walk_;
  std::unique_ptr<ChainWalk>& kept_walk_;  // the session's; null: not kept yet
};

}  // namespace

bool Dispatcher::WalkChain(const Input& input) {
  Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  const UpstreamSnapshot& known = upstream.snapshot();
  if (IsOn(input.parsed)) [[unlikely]]
    return Act(MakePlan(*known.routing, *known.topology, input.parsed), input);
  if (!session_.conversation_.authenticated) [[unlikely]] {
    if (const auto refused = RefuseStranger(known.routing->Resolve(input.parsed), input)) {
      return *refused;
    }
  }
  const uint64_t bytes = input.parsed.wire.size() + input.tail_bytes_min;
  // Most requests pass in one go; only one that has to wait is kept with the session.
  ChainWalk here;
  std::unique_ptr<ChainWalk>& kept_walk = session_.extras().walk;
  ChainWalk* on_its_way = kept_walk == nullptr ? &here : kept_walk.get();
  while (on_its_way->next != ChainWalk::kThrough && !on_its_way->answer.has_value()) {
    const ParsedRequest now =
        on_its_way->rewrite.has_value() ? on_its_way->rewrite->parsed() : input.parsed;
    WalkView view(worker_, session_, now, known.routing->Resolve(ArgList(now)), upstream.index(),
                  bytes, input.tail == nullptr, on_its_way, &kept_walk);
    const RequestOutcome outcome = worker_.chain().OnRequest(view, on_its_way->next);
    if (kept_walk != nullptr) on_its_way = kept_walk.get();
    // Of two that want a part each, the one behind a hold gets all.
    on_its_way->reply_head_bytes =
        on_its_way->reply_marks == 0 ? outcome.reply_head_bytes.value_or(0) : 0;
    on_its_way->reply_marks |= outcome.reply_marks;
    on_its_way->next =
        outcome.verdict == Verdict::kHeld ? outcome.next : size_t{ChainWalk::kThrough};
    if (outcome.verdict == Verdict::kClose) {
      kept_walk.reset();
      session_.KillAfterReplies();
      return true;
    }
    if (outcome.verdict == Verdict::kHeld && on_its_way->ticket != 0) {
      session_.SetPause(Pause::kHold);
      return false;
    }
  }
  if (on_its_way->instead != nullptr && !on_its_way->answer.has_value()) [[unlikely]] {
    if (kept_walk == nullptr) kept_walk = std::make_unique<ChainWalk>(std::move(here));
    if (const std::optional<bool> done = AnswerInstead(kept_walk.get(), input)) return *done;
    on_its_way = kept_walk.get();
  }
  ChainWalk through = std::move(*on_its_way);
  kept_walk.reset();
  ChainWalk* const walk = &through;
  if (walk->answer.has_value()) {
    if (walk->passed && walk->reply_marks != 0) {
      // It is what a node would have said.
      const ParsedRequest now = walk->rewrite.has_value() ? walk->rewrite->parsed() : input.parsed;
      ReplyView view(session_, known.routing->Resolve(ArgList(now)), walk->kept, &*walk->answer);
      worker_.chain().OnReply(view, std::exchange(walk->reply_marks, 0));
    }
    if (AnswerForPlugin(known.routing->Resolve(input.parsed), *walk->answer, input)) return true;
    kept_walk = std::make_unique<ChainWalk>(std::move(through));
    return false;
  }
  const Request* const last_before = session_.tail_;
  const bool replaced = walk->rewrite.has_value() || walk->script.has_value();
  bool done = false;
  if (replaced) {
    done = PerformReplaced(walk, input);
  } else {
    Input onward{.chunk = input.chunk,
                 .parsed = input.parsed,
                 .tail = input.tail,
                 .reply_marks = walk->reply_marks,
                 .reply_head_bytes = walk->reply_head_bytes,
                 .kept = &walk->kept};
    done = Perform(MakePlan(*known.routing, *known.topology, input.parsed), onward);
  }
  if (done) {
    BackdateHeld(*walk, last_before);
    return true;
  }
  kept_walk = std::make_unique<ChainWalk>(std::move(through));
  return false;
}

// A plugin answers the request in place of a node. Nothing: it has, or it is not asked, because
// weir itself refuses the request or answers it. REQUIRES: the walk is the session's.
std::optional<bool> Dispatcher::AnswerInstead(ChainWalk* walk, const Input& input) {
  if (walk->changed_again) {
    session_.extras().walk.reset();
    return Refuse(nullptr, "-ERR weir: two plugins change this request in ways that cannot be one",
                  input);
  }
  const ParsedRequest now = walk->rewrite.has_value() ? walk->rewrite->parsed() : input.parsed;
  if (walk->rewrite.has_value() && session_.lanes_ != nullptr && !session_.lanes_->named) {
    ChooseLane(now, /*large=*/false);
  }
  Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  const UpstreamSnapshot& known = upstream.snapshot();
  const Plan plan = MakePlan(*known.routing, *known.topology, now);
  const Lanes* const lanes = session_.lanes_.get();
  const bool refused = plan.kind == PlanKind::kReject ||
                       (lanes != nullptr && (!lanes->refusal.empty() || lanes->choice.crosses())) ||
                       (session_.subscribed() && session_.protocol_version() == 2);
  const bool to_one = plan.kind == PlanKind::kSingle || plan.kind == PlanKind::kPinned;
  if (refused || !to_one || session_.in_transaction()) {
    walk->instead = nullptr;
    if (!refused) walk->answer = "-ERR weir: a plugin cannot answer this request here\r\n";
    return std::nullopt;
  }
  // What is sent for it may take another connection.
  if (WaitForAnswers()) return false;
  WalkView view(worker_, session_, now, plan.entry, upstream.index(), input.parsed.wire.size(),
                /*whole=*/true, walk, &session_.extras().walk);
  const auto call = std::exchange(walk->instead, nullptr);
  walk->passed = true;
  call(view);
  if (walk->ticket == 0) return std::nullopt;
  session_.SetPause(Pause::kHold);
  return false;
}

// What a plugin held it for is a part of the time that the request takes.
void Dispatcher::BackdateHeld(const ChainWalk& walk, const Request* last_before) {
  Request* const request = session_.tail_;
  if (walk.held_ns == 0 || request == nullptr || request == last_before) return;
  request->received_ns = walk.held_ns;
}

// What plugins have made of a request goes on in its place.
bool Dispatcher::PerformReplaced(ChainWalk* walk, const Input& input) {
  const ParsedRequest now = walk->rewrite.has_value() ? walk->rewrite->parsed() : input.parsed;
  // Who asks what clients do, is told of the keys that the node sees.
  std::optional<AskedScope> asked;
  if (walk->rewrite.has_value()) {
    asked.emplace(worker_, nullptr, now.wire, /*rewritten=*/true);
    // A script goes where what it stands for would.
    if (session_.lanes_ != nullptr && !session_.lanes_->named) {
      ChooseLane(now, /*large=*/input.tail != nullptr);
    }
  }
  if (walk->script.has_value() && walk->changed_again) {
    return Refuse(nullptr, "-ERR weir: two plugins change this request in ways that cannot be one",
                  input);
  }
  std::optional<MadeRequest> script;
  if (walk->script.has_value()) {
    script.emplace(
        std::vector<std::string_view>(walk->script->args.begin(), walk->script->args.end()));
  }
  const ParsedRequest sent = script.has_value() ? script->parsed() : now;
  Input onward{.chunk = nullptr,
               .parsed = sent,
               .tail = input.tail,
               .reply_marks = walk->reply_marks,
               .reply_head_bytes = walk->reply_head_bytes,
               .tail_bytes_min = input.tail_bytes_min,
               .kept = &walk->kept,
               .script = script.has_value() ? &*walk->script : nullptr,
               .stands_for = &now};
  const UpstreamSnapshot& now_known = worker_.UpstreamAt(session_.upstream_).snapshot();
  return Perform(MakePlan(*now_known.routing, *now_known.topology, onward.parsed), onward);
}

// False: the answers on their way must first tell whether the client is in a transaction.
bool Dispatcher::AnswerForPlugin(const CommandEntry* entry, std::string_view reply,
                                 const Input& input) {
  if (session_.multi() != nullptr && reply.starts_with('-')) [[unlikely]] {
    session_.multi()->failed = true;
  }
  if (session_.own_link_ != nullptr && reply.starts_with('-')) [[unlikely]] {
    // With Redis an error makes EXEC fail, so the node must refuse something, too.
    const Pin& pin = session_.pinned_->state;
    const bool may_be = pin.expected().transaction || pin.holds().transaction;
    if (may_be && !pin.settled() && WaitForAnswers()) return false;
    if (pin.holds().transaction) session_.SendOnOwnLink({"weir.refused"});
  }
  const bool silent = TakeSilence();
  Request* request = session_.Push(entry);
  request->silent = silent;
  session_.AnswerAt(request, reply);
  if (input.tail != nullptr) {
    session_.extras().large = std::make_unique<Session::Large>(Session::Large{.tail = *input.tail});
  }
  return true;
}

void Session::EndHold(std::optional<std::string> reply) {
  ChainWalk* const walk = extras_ == nullptr ? nullptr : extras_->walk.get();
  if (walk == nullptr || walk->ticket == 0) return;
  walk->ticket = 0;
  walk->deadline.reset();
  if (reply.has_value()) walk->answer = std::move(reply);
  ClearPause(Pause::kHold);
}

}  // namespace weir
