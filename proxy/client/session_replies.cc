// A session's queue: which reply is next, and what becomes of each.
#include <utility>

#include "plugins/chain.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/cluster_tracking.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/request_task.h"
#include "proxy/client/routes.h"
#include "proxy/client/script_cache.h"
#include "proxy/client/session.h"
#include "proxy/client/subscriptions.h"
#include "proxy/worker.h"

namespace weir {

Request* Session::Push(const CommandEntry* entry) {
  LoopContext& context = worker_->context();
  Request* request = context.requests.Make();
  request->owner = this;
  request->entry = entry;
  request->upstream = upstream_;
  request->received_ns = context.NowNs();
  request->in_owner = true;
  (tail_ == nullptr ? head_ : tail_->owner_next) = request;
  tail_ = request;
  traffic().last_entry = entry;
  ++unanswered_;
  context.stats.requests_in_flight.Add(1);
  if (worker_->asked().chunk != nullptr) [[unlikely]]
    KeepAsked(request);
  if (tracking() != nullptr) [[unlikely]]
    TakeCaching(request);
  return request;
}

void Session::AnswerAt(Request* request, std::string_view reply) {
  if (reply.starts_with('-')) NoteError(*request, reply, request->count);
  Say(*request, reply);
  request->replies = request->count;
  Finish(*request);
}

void Session::AnswerTicket(Request* request, const std::vector<std::string>& parts) {
  if (request == nullptr) return OnRedirectKnown(parts);
  const InLane in(this, request->upstream);
  const std::unique_ptr<RequestExtra> extra = std::move(request->extra);
  const auto& task = static_cast<const RequestTask&>(*extra);
  const LocalOutcome::Gather& gather = task.gather;
  if (gather.request != nullptr) return Dispatcher(this).AskAt(request, gather.request(parts));
  const std::string reply = gather.combine(conversation_, parts);
  if (task.silence_applied) request->silent = false;
  AnswerAt(request, reply);
  ClearPause(Pause::kAsk);
}

// Tells the plugins of an error reply; `line` starts with '-'.
void Session::NoteError(const Request& request, std::string_view line, uint32_t times) {
  Chain& chain = worker_->chain();
  if (!chain.has(kHookError)) return;
  const std::string_view code = line.substr(1, line.find_first_of(" \r") - 1);
  const auto upstream = static_cast<int>(request.upstream);
  for (uint32_t i = 0; i < times; ++i) chain.OnError(*this, request.entry, upstream, code);
}

Request* Session::Answer(const CommandEntry* entry, std::string_view reply) {
  Request* request = Push(entry);
  AnswerAt(request, reply);
  return request;
}

std::optional<std::string> Session::PassPush(std::string_view frames) {
  Chain& chain = worker_->chain();
  if (!chain.has(kHookPush)) [[likely]]
    return std::nullopt;
  PushView push(*this, frames);
  chain.OnPush(push);
  if (!push.replaced()) return std::nullopt;
  return std::string(push.frames());
}

// Adds bytes of weir's own to a request's reply.
void Session::Say(Request& request, std::string_view bytes) {
  if (request.silent || bytes.empty()) return;
  request.reply_bytes += bytes.size();
  if (reorders() && &request != head_) HoldBytes(bytes.size());
  (&request == head_ ? out_ : request.reply).AppendCopy(worker_->context().chunks, bytes);
}

void Session::SayFrom(Request& request, Chunk* chunk, std::string_view bytes) {
  if (request.silent) return;
  if (&request == head_) [[likely]] {
    out_.Append(chunk, bytes);
  } else {
    request.reply.Append(chunk, bytes);
    if (reorders()) HoldBytes(bytes.size());
  }
}

// What waits for an earlier reply, of another node, cannot be written however fast the client
// reads, and what is on its way cannot be stopped for it alone.
void Session::HoldBytes(size_t more) {
  held_bytes() += more;
  if (held_bytes() > worker_->output_bytes_max()) CloseForOutput();
}

uint64_t Session::output_bytes() const { return out_.bytes() + (reorders() ? held_bytes() : 0); }

void Session::CloseForOutput() {
  if (close_at_turn_end_) return;
  close_at_turn_end_ = true;
  worker_->context().stats.clients_output_closed.Add();
  SetPause(Pause::kEnding);
  Schedule();
}

void Session::OnReply(Request& request, Chunk* chunk, std::string_view bytes, uint32_t frames,
                      bool error) {
  const InLane in(this, request.upstream);
  std::string instead;
  if (error && frames != 0) [[unlikely]] {
    if (routes_ != nullptr && TakeRefusal(request, bytes, &instead)) return;
    const bool by_hash = request.stands_in ||
                         (request.entry != nullptr && request.entry->script == ScriptUse::kHash);
    const bool forgotten =
        request.keeps_wire && !request.sent_as_text && by_hash && SaysScriptIsUnknown(bytes);
    if (forgotten && SendScriptAgain(request)) return;
    // weir's table thought that there is such a command.
    const bool unknown = bytes.starts_with("-ERR unknown ") && request.entry != nullptr &&
                         request.entry->spec != nullptr;
    if (unknown) worker_->NoteUnknownCommand(upstream_);
    if (!request.is_part()) NoteError(request, bytes, 1);
  }
  if (request.whole != nullptr) [[unlikely]] {
    return request.is_part() ? OnPartReply(request, bytes, frames)
                             : OnBranchReply(request, chunk, bytes, frames, error);
  }
  // Redis has a command that weir's table lacks: a module may have been loaded.
  if (request.effect == PinEffect::kUnknown && frames != 0 && !error) [[unlikely]]
    worker_->NoteUnknownCommand(upstream_);
  if (request.asked_in && frames != 0) [[unlikely]]
    NoteIfSlow(request, request.replies - frames);
  unanswered_ -= frames;
  worker_->context().stats.requests_in_flight.Add(-static_cast<int64_t>(frames));
  if (pinned_ != nullptr && request.link == own_link_) [[unlikely]]
    NoteOwnReplies(request, bytes, frames, error);
  if (request.effect == PinEffect::kExec && frames != 0 && request.extra != nullptr) [[unlikely]] {
    const bool dirty =
        request.reply_bytes == bytes.size() && (bytes == "*-1\r\n" || bytes == "_\r\n");
    if (!error && !dirty) KeepScripts(static_cast<RequestTask&>(*request.extra));
  }
  bool answered = true;
  if (request.collect) [[unlikely]] {
    auto& task = static_cast<RequestTask&>(*request.extra);
    if (!task.Collect(bytes)) task.too_large = true;
    if (frames != 0) {
      answered = FinishCollected(request);
    } else if (task.reply_head_bytes != 0 && task.collected.size() >= task.reply_head_bytes) {
      SayHead(request);
    }
  } else if (!instead.empty()) [[unlikely]] {
    Say(request, instead);
  } else {
    SayFrom(request, chunk, bytes);
  }
  if (pinned_ != nullptr && request.effect == PinEffect::kExec && frames != 0) [[unlikely]] {
    const bool whole = request.reply_bytes == bytes.size();
    ShowTransaction(!error && !(whole && (bytes == "*-1\r\n" || bytes == "_\r\n")));
  }
  if (subscriptions_ != nullptr && frames != 0) [[unlikely]]
    subscriptions_->OnReplySaid();
  if (routes_ != nullptr && !routes_->detours.empty()) [[unlikely]]
    NoteOvertaken(request.slot, request.retryable);
  if (request.remaining() == 0) {
    --on_links_;
    if (request.routed) [[unlikely]]
      LeaveRoute(request);
    if (answered) Finish(request);
  }
  if (unanswered_ <= worker_->depth_resume()) ClearPause(Pause::kDepth);
  Schedule();
  if (out_.bytes() > worker_->output_pause_bytes()) CheckOutput(request.link);
}

void Session::OnFailed(Request& request, uint32_t n, bool last, std::string_view line) {
  const InLane in(this, request.upstream);
  if (request.repeatable && Repeat(request, line)) return;
  if (request.is_part()) {
    --on_links_;
    if (request.routed) LeaveRoute(request);
    if (on_links_ == 0) ClearPause(Pause::kOrder);
    return FailPart(request, line);
  }
  if (request.whole != nullptr) {
    Request& whole = *request.whole;
    FailBranch(request, n, line);
    if (last) EndBranch(request);
    return SettleFanned(whole, /*in_part=*/false);
  }
  if (request.reply_begun && !request.collect && !request.silent) {
    // Part of a reply was said and its end will never come.
    request.silent = true;
    request.close_after = true;
    SetPause(Pause::kEnding);
  }
  if (pinned_ != nullptr && request.link == own_link_) {
    NoteOwnLinkLost(line);
    NoteOwnReplies(request, line, n, true);
    if (request.effect == PinEffect::kExec) ShowTransaction(false);
  }
  if (request.asked_in) [[unlikely]]
    NoteIfSlow(request, (last ? request.count : request.replies) - n, /*heard=*/false);
  unanswered_ -= n;
  worker_->context().stats.requests_in_flight.Add(-static_cast<int64_t>(n));
  request.errors += n;
  NoteError(request, line, n);
  const std::string reply = std::string(line) + "\r\n";
  if (request.collect) {
    auto& task = static_cast<RequestTask&>(*request.extra);
    task.collected = reply;
    task.ask.permits = nullptr;
    FinishCollected(request);
  } else {
    for (uint32_t i = 0; i < n; ++i) Say(request, reply);
  }
  if (large() != nullptr && large()->request == &request) large()->request = nullptr;
  if (last) {
    --on_links_;
    if (request.routed) LeaveRoute(request);
    Finish(request);
  }
  Schedule();
}

// The whole reply is there: who asked for it turns it into the client's. False if it only permits
// what gives the answer.
bool Session::FinishCollected(Request& request) {
  std::unique_ptr<RequestExtra> extra = std::move(request.extra);
  auto& task = static_cast<RequestTask&>(*extra);
  if (task.too_large) {
    task.collected =
        "-ERR weir: the command has run, but its reply is too large to be looked at\r\n";
    task.ask.permits = nullptr;
  }
  if (const auto await = std::exchange(task.await, nullptr);
      await != nullptr && await(request, task.collected)) {
    request.extra = std::move(extra);
    return false;
  }
  if (task.ask.permits != nullptr && task.ask.permits(task.collected)) {
    if (task.group != nullptr) std::exchange(task.group, nullptr)->Release();
    request.collect = false;
    worker_->Gather(this, &request, task.gather.visit);
    request.extra = std::move(extra);
    return false;
  }
  std::string reply = std::move(task.collected);
  if (!task.unknown_line.empty() && reply.starts_with('-')) {
    // Nothing that is said now tells what became of it then.
    reply = task.unknown_line + "\r\n";
    worker_->context().stats.requests_unknown.Add();
  }
  if (task.ask.finish != nullptr) {
    const size_t name_bytes = conversation_.NameBytes();
    reply = task.ask.finish(conversation_, reply);
    worker_->names().Note(name_bytes, conversation_.NameBytes());
    parse_state_.authenticated = conversation_.authenticated;
    if (task.ask.db.has_value() && conversation_.db == *task.ask.db) {
      worker_->UpstreamAt(upstream_).LearnDatabase(*task.ask.db);
    }
    UpdateGroup();
  }
  if (!task.shown_words.empty()) ShowWords(task.shown_words);
  if (task.reply_marks != 0) {
    ReplyView view(*this, request.entry, task.kept, &reply);
    worker_->chain().OnReply(view, task.reply_marks);
  }
  if (task.group != nullptr) task.group->Release();
  request.collect = false;
  if (task.silence_applied) request.silent = false;
  // CLIENT REPLY ON speaks even when it was sent in silence: Redis permitted it only now.
  if (request.entry != nullptr && request.entry->local == LocalCommand::kClientReply &&
      reply == "+OK\r\n") {
    request.silent = false;
  }
  Say(request, reply);
  if (task.ask.serial) ClearPause(Pause::kAsk);
  return true;
}

// So much of a long reply is there as the plugins want to see: the rest passes by.
void Session::SayHead(Request& request) {
  auto& task = static_cast<RequestTask&>(*request.extra);
  std::string head = std::move(task.collected);
  ReplyView view(*this, request.entry, task.kept, &head);
  worker_->chain().OnReply(view, task.reply_marks);
  request.collect = false;
  Say(request, head);
}

// Nothing more will come for this request.
void Session::Finish(Request& request) {
  if (request.link == nullptr) {
    unanswered_ -= request.count;
    worker_->context().stats.requests_in_flight.Add(-static_cast<int64_t>(request.count));
  }
  request.done = true;
  if (request.asked_in) [[unlikely]] {
    NoteIfSlow(request, 0);
    if (worker_->key_stats() != nullptr) CountKeys(request);
    // It may stand in its link's queue for long yet.
    request.asked_in.Reset();
  }
  traffic().commands += request.count;
  if (worker_->chain().has(kHookDone)) ReportDone(request);
  if (on_links_ == 0) ClearPause(Pause::kOrder);
  Schedule();
  if (&request == head_) Advance();
  if (unanswered_ <= worker_->depth_resume()) ClearPause(Pause::kDepth);
}

void Session::Advance() {
  LoopContext& context = worker_->context();
  while (head_ != nullptr && head_->done) {
    Request* request = head_;
    if (reorders()) held_bytes() -= request->reply.bytes();
    out_.Append(std::move(request->reply));
    if (request->fanned) SayFanned(*request);
    if (tracking() != nullptr) [[unlikely]]
      SayPushesBehind(request);
    if (request->close_after) {
      close_when_said_ = true;
      extras().last_words = std::make_unique<SliceQueue>(std::move(out_));
      out_ = SliceQueue();
    }
    head_ = request->owner_next;
    if (head_ == nullptr) tail_ = nullptr;
    request->owner_next = nullptr;
    request->in_owner = false;
    request->owner = nullptr;
    context.requests.ReleaseIfUnused(request);
    if (close_when_said_) return;
  }
  if (head_ != nullptr) {
    // What came early for it may be said now, even if there is more to come.
    if (head_->fanned) HoldReplies();
    if (reorders()) held_bytes() -= head_->reply.bytes();
    out_.Append(std::move(head_->reply));
  } else if (end_of_input_) {
    close_when_said_ = true;
  }
}

void Session::ReportDone(const Request& request) {
  const uint64_t now_ns = worker_->context().NowNs();
  RequestsDone done = {};
  done.entry = request.entry;
  done.upstream = static_cast<int>(request.upstream);
  done.count = request.count;
  done.errors = request.errors;
  done.request_bytes = request.request_bytes;
  done.reply_bytes = request.reply_bytes;
  done.total_ns = now_ns - request.received_ns;
  if (request.sent && request.replied_ns > request.sent_ns) {
    done.upstream_ns = request.replied_ns - request.sent_ns;
    if (request.sent_ns > request.received_ns)
      done.queue_ns = request.sent_ns - request.received_ns;
  }
  worker_->chain().OnDone(done);
}

// The client reads more slowly than its replies come. Its link is set aside, so that no one else's
// request gets behind it; what is behind it already is still served while this client's unread
// replies are below their bound. At the bound the link waits for the client (see SweepSlowReader).
void Session::CheckOutput(Link* of_reply) {
  SetPause(Pause::kOutput);
  // With several nodes, that of the reply stands for all.
  Link* const link = routes_ == nullptr ? flow_ : of_reply;
  if (link == nullptr || on_links_ == 0 || of_reply != link) return;
  if (paused_link() != nullptr && paused_link() != link) {
    // Only one link can wait for it.
    if (out_.bytes() > 2 * worker_->output_bytes_max()) CloseForOutput();
    return;
  }
  if (!link->own() && !link->retiring() && out_.bytes() > worker_->output_bytes_max() / 4) {
    worker_->context().stats.links_fenced.Add();
    LinkGroup* group = worker_->UpstreamAt(upstream_).Hold(link->key());
    group->SetAside(link);
    group->Release();
  }
  if (out_.bytes() > worker_->output_bytes_max()) {
    link->PauseReadingFor(this);
    extras().paused_link = link;
    if (!on_slow_list_) {
      on_slow_list_ = true;
      worker_->WatchSlowReader(this);
    }
  }
}

// Called a few times a second while its link waits for it: others may be behind it.
void Session::SweepSlowReader(uint64_t now_ms) {
  if (out_.bytes() <= worker_->output_bytes_max()) {
    on_slow_list_ = false;
    return;
  }
  const bool others_wait = paused_link() != nullptr && paused_link()->HasOthersThan(this);
  if (others_wait && traffic().last_write_ms + kOthersWaitMaxMs <= now_ms) {
    worker_->context().stats.clients_output_closed.Add();
    return Close();
  }
  worker_->WatchSlowReader(this);
}

}  // namespace weir
