// Commands over several nodes: split by their keys' slots, or sent to each; and SCAN, which goes to
// one after the other.
//
// All parts are sent before anything else of the client is, each to its node, and their replies are
// merged when the last is there (routing/merge.h says how, and what a failure of some does). A part
// that is refused is sent again like any request; the others are not touched by it.
#include "proxy/client/parts.h"

#include <utility>

#include "absl/container/inlined_vector.h"
#include "plugins/chain.h"
#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/receiver_counts.h"
#include "proxy/client/request_task.h"
#include "proxy/client/routes.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"
#include "routing/cluster_scan.h"
#include "routing/merge.h"

namespace weir {
namespace {

// What a part sends, behind what others send on that link in this turn, so that all of it goes out
// in one piece.
Slice BytesFor(Link* link, const ParsedRequest& request, const KeySplit& split,
               const SplitPart& part) {
  const ChunkRef chunk = link->ChunkForCopies(PartBytesMax(request, split, part));
  char* const begin = chunk->tail();
  const auto bytes = static_cast<size_t>(WritePart(begin, request, split, part) - begin);
  chunk->used += static_cast<uint32_t>(bytes);
  return {chunk.get(), {begin, bytes}};
}

}  // namespace

// ---- Dispatcher: sending

bool Dispatcher::SendParts(const Plan& plan, const Input& input) {
  if (input.tail != nullptr) {
    return Refuse(plan.entry,
                  Concat("-ERR weir: a command over several nodes may have no more than ",
                         worker_.config().limits.request_buffer_bytes_max, " bytes"),
                  input);
  }
  Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  const Topology& topology = *upstream.snapshot().topology;
  auto task = std::make_unique<PartsTask>();
  task->merge = plan.entry->spread.merge;
  task->changes_data = plan.entry->is_write;
  task->reply_marks = input.reply_marks;
  std::vector<PartPlan> parts;
  const ArgList args(input.parsed);
  if (task->merge == Merge::kNewestFirst) task->elements_max = NewestWanted(args);
  if (plan.entry->counts_receivers) {
    task->finish =
        ReceiverCorrection(&worker_.CountsOf(session_.upstream_), plan.entry->spec->name, args);
  }
  if (plan.kind == PlanKind::kSplit) {
    task->split = MakeSplit(*plan.entry->spec, topology, args);
    parts.reserve(task->split->parts.size());
    for (const SplitPart& part : task->split->parts) {
      parts.push_back({.node = upstream.map().PrimaryOf(part.slot),
                       .slot = part.slot,
                       .upstream = session_.upstream_});
    }
  } else {
    for (const NodeIndex node : upstream.map().primaries()) {
      parts.push_back({.node = node, .home = node, .upstream = session_.upstream_});
    }
  }
  const bool for_script = KeepsFromReaders(*plan.entry);
  const PartPlan* before = nullptr;
  for (PartPlan& part : parts) {
    // Those of a node stand together.
    if (before != nullptr && before->node == part.node) {
      part.link = before->link;
    } else if (const auto done = FindRoute(plan, input, part.node, for_script, &part.link)) {
      return *done;
    }
    before = &part;
  }
  if (parts.empty()) return WaitForAnyNode(plan, input);
  session_.routes_->scripts = for_script;
  session_.routes_->waits_since_ms = 0;
  return SendAllParts(plan, input, std::move(task), &parts);
}

// What weir answers with the help of all primaries. Those that are known to be away are left out,
// so that who asks while one of them fails over is not kept waiting.
bool Dispatcher::AskPrimaries(const Plan& plan, const Input& input, LocalOutcome::Ask ask) {
  Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  auto task = std::make_unique<PartsTask>();
  task->merge = *ask.of_all;
  task->partial = true;
  task->finish = std::move(ask.finish);
  task->reply_marks = input.reply_marks;
  std::vector<PartPlan> parts;
  std::string away;
  for (const NodeIndex node : upstream.map().primaries()) {
    PartPlan part{.node = node, .home = node, .upstream = session_.upstream_};
    const auto done = FindRoute(plan, input, node, /*for_script=*/false, &part.link);
    if (done.has_value()) return *done;
    if (part.link->state() == Link::State::kBackoff) {
      away = part.link->RefusalLine();
    } else {
      parts.push_back(part);
    }
  }
  if (parts.empty()) {
    return away.empty() ? WaitForAnyNode(plan, input) : WaitForNode(plan, input, away);
  }
  session_.routes_->scripts = false;
  session_.routes_->waits_since_ms = 0;
  return SendAllParts(plan, input, std::move(task), &parts);
}

// REQUIRES: the link of each part takes it.
bool Dispatcher::SendAllParts(const Plan& plan, const Input& input, std::unique_ptr<PartsTask> task,
                              std::vector<PartPlan>* all) {
  std::vector<PartPlan>& parts = *all;
  const bool silent = TakeSilence();
  Request* whole = session_.Push(plan.entry);
  whole->silent = silent;
  whole->request_bytes = input.parsed.wire.size();
  whole->has_parts = true;
  task->missing = parts.size();
  task->parts.resize(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) task->parts[i].home = parts[i].home;
  if (input.keeps()) task->kept = std::move(*input.kept);
  PartsTask& sent = *task;
  whole->extra = std::move(task);
  std::vector<std::pair<Request*, std::string>> unsent;
  Slice same;  // of a command that each node gets whole
  if (!sent.split.has_value()) same = Slice::Copy(worker_.context().chunks, input.parsed.wire);
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].index = static_cast<uint32_t>(i);
    const InLane in(&session_, parts[i].upstream);
    Link* const link = parts[i].link;
    Request* const part = SendPart(
        whole, parts[i],
        sent.split.has_value() ? BytesFor(link, input.parsed, *sent.split, sent.split->parts[i])
                               : same.Share());
    sent.parts[i].request = part;
    const bool went = part->in_link || session_.routes_ != nullptr;
    if (!went) unsent.emplace_back(part, link->RefusalLine());
  }
  if (plan.entry->script != ScriptUse::kNone) NoteScript(plan, input, whole);
  // Only now, because the last answer to a part ends the whole.
  for (const auto& [part, line] : unsent) {
    const InLane in(&session_, part->upstream);
    worker_.context().stats.requests_failed_down.Add();
    session_.FailPart(*part, line);
  }
  if (session_.unanswered_ >= worker_.depth_max()) session_.SetPause(Pause::kDepth);
  return true;
}

Request* Dispatcher::SendPart(Request* whole, const PartPlan& plan, const Slice& wire) {
  LoopContext& context = worker_.context();
  Request* part = context.requests.Make();
  part->owner = &session_;
  part->upstream = session_.upstream_;
  part->in_owner = true;
  part->entry = whole->entry;
  part->received_ns = whole->received_ns;
  part->retryable = whole->entry->is_readonly;
  part->deadline_ms = worker_.DeadlineMs(session_.upstream_, whole->entry);
  part->whole = whole;
  part->part = plan.index;
  part->slot = plan.slot;
  part->home = plan.home;
  part->keeps_wire = true;
  part->caching = whole->caching;
  SendOrDetour(part, plan.link, wire);
  return part;
}

// A request of a session with several nodes or upstreams, on a shared link.
void Dispatcher::SendOrDetour(Request* request, Link* link, const Slice& wire) {
  const bool ready = !request->caching || session_.SayCaching(link, *request);
  if (!ready || !link->Send(request, wire.chunk(), wire.view())) {
    if (request->caching) session_.CloseTrackedLink(link);
    // With a single node there is no other way: SendAllParts says so.
    if (session_.routes_ != nullptr) DetourUnsent(request, *link, wire.chunk(), wire.view());
    return;
  }
  const bool alone = ++session_.on_links_ == 1;
  if (session_.routes_ == nullptr) {
    session_.flow_ = link;
    return;
  }
  session_.JoinRoute(*request, link);
  session_.flow_ = alone || session_.flow_ == link ? link : nullptr;
}

bool Dispatcher::SendScan(const Plan& plan, const Input& input) {
  Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  const std::shared_ptr<const Topology> topology = upstream.snapshot().topology;
  const std::optional<uint64_t> cursor =
      input.parsed.argc > 1 ? ParseScanCursor(input.parsed.arg(1)) : std::nullopt;
  // Redis has words for all other mistakes.
  if (!cursor.has_value() || input.tail != nullptr || input.parsed.argc < 2) {
    return SendShared(plan, input);
  }
  const ScanPosition position = ResumeScan(*cursor, *topology);
  if (position.node == kNoNode) return WaitForAnyNode(plan, input);
  const NodeIndex node = upstream.FindOrAdd(topology->node(position.node));
  Link* link = nullptr;
  if (const auto done = FindRoute(plan, input, node, /*for_script=*/false, &link)) return *done;
  session_.routes_->scripts = false;
  session_.routes_->waits_since_ms = 0;
  std::vector<std::string_view> args;
  for (uint32_t i = 0; i < input.parsed.argc; ++i) args.push_back(input.parsed.arg(i));
  const std::string node_cursor = std::to_string(position.node_cursor);
  args[1] = node_cursor;
  std::string bytes;
  AppendRequest(&bytes, args);
  const bool silent = TakeSilence();
  Request* request = session_.Push(plan.entry);
  request->silent = silent;
  request->retryable = true;
  request->keeps_wire = true;
  request->home = node;
  request->deadline_ms = worker_.DeadlineMs(session_.upstream_, plan.entry);
  auto task = std::make_unique<RequestTask>();
  task->reply_marks = input.reply_marks;
  if (input.keeps()) task->kept = std::move(*input.kept);
  task->ask.finish = [position, topology](Conversation&, std::string_view reply) {
    return RewriteScanReply(reply, position, *topology);
  };
  request->extra = std::move(task);
  request->collect = true;
  SendOrDetour(request, link, Slice::Copy(worker_.context().chunks, bytes));
  return true;
}

// ---- Session: replies

void Session::OnPartReply(Request& part, std::string_view bytes, uint32_t frames) {
  auto& task = static_cast<PartsTask&>(*part.whole->extra);
  task.parts[part.part].reply += bytes;
  task.reply_bytes += bytes.size();
  HoldBytes(bytes.size());
  if (frames == 0) return;
  if (routes_ != nullptr && !routes_->detours.empty()) NoteOvertaken(part.slot, part.retryable);
  --on_links_;
  if (part.routed) LeaveRoute(part);
  if (on_links_ == 0) ClearPause(Pause::kOrder);
  FinishPart(part);
}

void Session::FailPart(Request& part, std::string_view line) {
  auto& task = static_cast<PartsTask&>(*part.whole->extra);
  std::string& reply = task.parts[part.part].reply;
  held_bytes() -= reply.size();
  task.reply_bytes -= reply.size();
  reply = Concat(line, "\r\n");
  task.reply_bytes += reply.size();
  HoldBytes(reply.size());
  FinishPart(part);
}

// Its reply, or what there is instead, is whole. It is freed, at the latest by its link.
void Session::FinishPart(Request& part) {
  Request* const whole = std::exchange(part.whole, nullptr);
  whole->AddTimesOf(part, worker_->context().NowNs());
  auto& task = static_cast<PartsTask&>(*whole->extra);
  task.parts[part.part].request = nullptr;
  part.owner = nullptr;
  part.in_owner = false;
  worker_->context().requests.ReleaseIfUnused(&part);
  if (--task.missing == 0) FinishParts(*whole);
}

void Session::FinishParts(Request& whole) {
  const std::unique_ptr<RequestExtra> extra = std::move(whole.extra);
  auto& task = static_cast<PartsTask&>(*extra);
  whole.has_parts = false;
  held_bytes() -= task.reply_bytes;
  absl::InlinedVector<std::string_view, 16> replies;
  for (const PartsTask::Part& part : task.parts) replies.push_back(part.reply);
  std::string reply = MergeReplies({.merge = task.merge,
                                    .replies = absl::MakeConstSpan(replies),
                                    .split = task.split.has_value() ? &*task.split : nullptr,
                                    .changes_data = task.changes_data,
                                    .random = worker_->context().random(),
                                    .elements_max = task.elements_max});
  if (task.finish != nullptr) reply = task.finish(conversation_, reply);
  if (task.reply_marks != 0) {
    ReplyView view(*this, whole.entry, task.kept, &reply);
    worker_->chain().OnReply(view, task.reply_marks);
  }
  AnswerAt(&whole, reply);
}

// The session is gone: whatever still comes is swallowed.
void Session::ForgetParts(Request& whole) {
  for (const PartsTask::Part& answered : static_cast<PartsTask&>(*whole.extra).parts) {
    Request* const part = answered.request;
    if (part == nullptr) continue;
    part->owner = nullptr;
    part->whole = nullptr;
    part->in_owner = false;
    worker_->context().requests.ReleaseIfUnused(part);
  }
  whole.has_parts = false;
}

}  // namespace weir
