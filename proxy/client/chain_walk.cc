// A request's way through the plugins before its plan is made.
#include <utility>

#include "plugins/chain.h"
#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/request_task.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// A request as the plugins see it.
class WalkView final : public RequestView {
 public:
  WalkView(Worker& worker, Session& session, const ArgList& args, const CommandEntry* entry,
           int upstream, uint64_t bytes, bool whole, ChainWalk* walk,
           std::unique_ptr<ChainWalk>* kept_walk)
      : RequestView(session, args, entry, upstream),
        worker_(worker),
        client_(session),
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

  void SendScript(std::vector<std::string> args, std::string_view text,
                  uint64_t known_for_ms) override {
    walk_->script = ScriptCall{.args = std::move(args), .text = text, .known_for_ms = known_for_ms};
  }

  void AnswerInstead(bool blocks, std::function<void(RequestView&)> call) override {
    walk_->instead = std::move(call);
    walk_->blocks = blocks;
  }

  void Rewrite(std::vector<std::string> args) override {
    walk_->changed_again = walk_->script.has_value() || walk_->instead != nullptr;
    walk_->rewrite = std::move(args);
    views_.assign(walk_->rewrite->begin(), walk_->rewrite->end());
    args_ = ArgList(absl::MakeSpan(views_));
    entry_ = worker_.UpstreamByIndex(upstream_).snapshot().routing->Resolve(args_);
  }

  Hold MakeHold(uint64_t timeout_ms) override {
    // With the session from here on, also because a hold may end within its own call.
    if (kept_walk_ == nullptr) kept_walk_ = std::make_unique<ChainWalk>(std::move(*walk_));
    walk_ = kept_walk_.get();
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
  Worker& worker_;
  Session& client_;
  const uint64_t bytes_;
  const bool whole_;
  ChainWalk* walk_;
  std::unique_ptr<ChainWalk>& kept_walk_;  // the session's; null: not kept yet
  std::vector<std::string_view> views_;
};

// A request of weir's making, as if a client had sent it.
struct MadeRequest {
  // False: it has no arguments.
  bool Make(const std::vector<std::string>& args) {
    const std::vector<std::string_view> views(args.begin(), args.end());
    AppendRequest(&wire, views);
    const bool good = parser.Parse(&state, wire, &parsed) == ParseStatus::kRequest;
    parsed.rewritten = true;
    return good;
  }

  std::string wire;
  // The arguments stand in it, so it has to live as long as they are looked at.
  RequestParser parser{
      RequestLimits{.bulk_bytes_max = uint64_t{1} << 31, .request_bytes_max = uint32_t{1} << 31}};
  ParseState state;
  ParsedRequest parsed;
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
    std::vector<std::string_view> rewritten;
    if (on_its_way->rewrite)
      rewritten.assign(on_its_way->rewrite->begin(), on_its_way->rewrite->end());
    const ArgList args =
        on_its_way->rewrite ? ArgList(absl::MakeSpan(rewritten)) : ArgList(input.parsed);
    WalkView view(worker_, session_, args, known.routing->Resolve(args), upstream.index(), bytes,
                  input.tail == nullptr, on_its_way, &kept_walk);
    const RequestOutcome outcome = worker_.chain().OnRequest(view, on_its_way->next);
    if (kept_walk != nullptr) on_its_way = kept_walk.get();
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
    if (AnswerForPlugin(known.routing->Resolve(input.parsed), *walk->answer, input)) return true;
    kept_walk = std::make_unique<ChainWalk>(std::move(through));
    return false;
  }
  const Request* const last_before = session_.tail_;
  // A large request passes by as it is: what it will say is not known yet.
  const bool replaced = walk->rewrite.has_value() || walk->script.has_value();
  bool done = false;
  if (replaced && input.tail == nullptr) {
    done = PerformReplaced(walk, input);
  } else {
    Input onward{.chunk = input.chunk,
                 .parsed = input.parsed,
                 .tail = input.tail,
                 .reply_marks = walk->reply_marks,
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
  MadeRequest rewritten;
  const ParsedRequest* parsed = &input.parsed;
  if (walk->rewrite.has_value()) {
    if (!rewritten.Make(*walk->rewrite)) return std::nullopt;
    parsed = &rewritten.parsed;
    if (session_.lanes_ != nullptr && !session_.lanes_->named) {
      ChooseLane(rewritten.parsed, /*large=*/false);
    }
  }
  Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  const UpstreamSnapshot& known = upstream.snapshot();
  const Plan plan = MakePlan(*known.routing, *known.topology, *parsed);
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
  WalkView view(worker_, session_, ArgList(*parsed), plan.entry, upstream.index(),
                input.parsed.wire.size(), /*whole=*/true, walk, &session_.extras().walk);
  const auto call = std::exchange(walk->instead, nullptr);
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
  MadeRequest rewritten;
  MadeRequest script;
  if (walk->rewrite.has_value()) {
    if (!rewritten.Make(*walk->rewrite)) {
      return Refuse(nullptr, "-ERR weir: a plugin made an empty request of this one", input);
    }
    // A script goes where what it stands for would.
    if (session_.lanes_ != nullptr && !session_.lanes_->named) {
      ChooseLane(rewritten.parsed, /*large=*/false);
    }
  }
  if (walk->script.has_value() && (walk->changed_again || !script.Make(walk->script->args))) {
    return Refuse(nullptr, "-ERR weir: two plugins change this request in ways that cannot be one",
                  input);
  }
  const bool as_script = walk->script.has_value();
  Input onward{.chunk = nullptr,
               .parsed = as_script ? script.parsed : rewritten.parsed,
               .reply_marks = walk->reply_marks,
               .kept = &walk->kept,
               .script = as_script ? &*walk->script : nullptr,
               .stands_for = walk->rewrite.has_value() ? &rewritten.parsed : &input.parsed};
  const UpstreamSnapshot& now = worker_.UpstreamAt(session_.upstream_).snapshot();
  return Perform(MakePlan(*now.routing, *now.topology, onward.parsed), onward);
}

// False: the answers on their way must first tell whether the client is in a transaction.
bool Dispatcher::AnswerForPlugin(const CommandEntry* entry, std::string_view reply,
                                 const Input& input) {
  if (session_.multi() != nullptr && reply.starts_with('-')) [[unlikely]] {
    // There is no node yet that could refuse something, as there must be (see below).
    const UpstreamSnapshot& known = worker_.UpstreamAt(session_.upstream_).snapshot();
    if (session_.routes_ != nullptr && !SettleRoutes()) return false;
    const Plan plan = MakePlan(*known.routing, *known.topology, input.parsed);
    if (const std::optional<bool> done = BeginDeferred(plan, input)) return *done;
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
