// A request's way through the plugins before its plan is made.
#include <utility>

#include "plugins/chain.h"
#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/request_task.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// A request as the plugins see it.
class WalkView final : public RequestView {
 public:
  WalkView(Worker& worker, Session& session, const ArgList& args, const CommandEntry* entry,
           int upstream, ChainWalk* walk)
      : RequestView(session, args, entry, upstream),
        worker_(worker),
        client_(session),
        walk_(walk) {}

  void Answer(std::string reply) override { walk_->answer = std::move(reply); }

  void Rewrite(std::vector<std::string> args) override {
    walk_->rewrite = std::move(args);
    views_.assign(walk_->rewrite->begin(), walk_->rewrite->end());
    args_ = ArgList(absl::MakeSpan(views_));
    entry_ = worker_.UpstreamByIndex(upstream_).snapshot().routing->Resolve(args_);
  }

  Hold MakeHold(uint64_t timeout_ms) override {
    walk_->ticket = worker_.TakeTicket(&client_, nullptr);
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
  ChainWalk* const walk_;
  std::vector<std::string_view> views_;
};

}  // namespace

bool Dispatcher::WalkChain(const Input& input) {
  Upstream& upstream = worker_.UpstreamOf(session_.listener_);
  const UpstreamSnapshot& known = upstream.snapshot();
  // Stays with the session while plugins are called, so that a hold may end within its own call.
  if (session_.walk_ == nullptr) session_.walk_ = std::make_unique<ChainWalk>();
  ChainWalk* const on_its_way = session_.walk_.get();
  while (on_its_way->next != ChainWalk::kThrough && !on_its_way->answer.has_value()) {
    std::vector<std::string_view> rewritten;
    if (on_its_way->rewrite)
      rewritten.assign(on_its_way->rewrite->begin(), on_its_way->rewrite->end());
    const ArgList args =
        on_its_way->rewrite ? ArgList(absl::MakeSpan(rewritten)) : ArgList(input.parsed);
    WalkView view(worker_, session_, args, known.routing->Resolve(args), upstream.index(),
                  on_its_way);
    const RequestOutcome outcome = worker_.chain().OnRequest(view, on_its_way->next);
    on_its_way->reply_marks |= outcome.reply_marks;
    on_its_way->next =
        outcome.verdict == Verdict::kHeld ? outcome.next : size_t{ChainWalk::kThrough};
    if (outcome.verdict == Verdict::kClose) {
      session_.walk_.reset();
      session_.KillAfterReplies();
      return true;
    }
    if (outcome.verdict == Verdict::kHeld && on_its_way->ticket != 0) {
      session_.SetPause(Pause::kHold);
      return false;
    }
  }
  std::unique_ptr<ChainWalk> walk = std::move(session_.walk_);
  if (walk->answer.has_value()) {
    const bool silent = TakeSilence();
    Request* request = session_.Push(known.routing->Resolve(input.parsed));
    request->silent = silent;
    session_.AnswerAt(request, *walk->answer);
    if (input.tail != nullptr) {
      session_.large_ = std::make_unique<Session::Large>(Session::Large{.tail = *input.tail});
    }
    return true;
  }
  // A large request passes by as it is: what it will say is not known yet.
  if (!walk->rewrite.has_value() || input.tail != nullptr) {
    Input onward{input.chunk, input.parsed, input.tail, walk->reply_marks};
    if (Perform(MakePlan(*known.routing, *known.topology, input.parsed), onward)) return true;
  } else {
    std::string wire;
    std::vector<std::string_view> views(walk->rewrite->begin(), walk->rewrite->end());
    AppendRequest(&wire, views);
    RequestParser parser(
        RequestLimits{.bulk_bytes_max = uint64_t{1} << 31, .request_bytes_max = uint32_t{1} << 31});
    ParseState state;
    ParsedRequest parsed;
    if (parser.Parse(&state, wire, &parsed) != ParseStatus::kRequest) {
      return Refuse(nullptr, "-ERR weir: a plugin made an empty request of this one", input);
    }
    parsed.rewritten = true;
    Input onward{nullptr, parsed, nullptr, walk->reply_marks};
    if (Perform(MakePlan(*known.routing, *known.topology, parsed), onward)) return true;
  }
  session_.walk_ = std::move(walk);
  return false;
}

void Session::EndHold(std::optional<std::string> reply) {
  if (walk_ == nullptr || walk_->ticket == 0) return;
  walk_->ticket = 0;
  walk_->deadline.reset();
  if (reply.has_value()) walk_->answer = std::move(reply);
  ClearPause(Pause::kHold);
}

}  // namespace weir
