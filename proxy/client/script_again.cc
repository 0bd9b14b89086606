// Scripts on their way: texts are remembered, and an EVALSHA that Redis no longer knows is sent
// again as the EVAL that it means.
//
// It keeps its place in the order of replies. What the client has sent behind it in the same
// pipeline has run before it then, as it also has when a client that hears NOSCRIPT sends EVAL
// itself.
#include <string>
#include <vector>

#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/request_task.h"
#include "proxy/client/routes.h"
#include "proxy/client/script_cache.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"
#include "resp/request_parser.h"

namespace weir {

// In a transaction it is not said yet that the script will ever be run, or loaded.
void Dispatcher::NoteQueuedScript(ScriptUse use, const ParsedRequest& parsed) {
  const bool flush = use == ScriptUse::kFlush;
  const uint32_t at = use == ScriptUse::kLoad ? 2 : 1;
  if (!flush && (use == ScriptUse::kHash || parsed.argc <= at)) return;
  const std::string_view text = flush ? std::string_view() : parsed.arg(at);
  Pinned& pinned = *session_.pinned_;
  pinned.script_bytes += sizeof(Pinned::ScriptChange) + text.size();
  if (pinned.script_bytes > Pinned::kScriptBytesMax) return pinned.script_changes.clear();
  pinned.script_changes.push_back({.flush = flush, .text = std::string(text)});
}

// EXEC has run the transaction that they were queued in.
void Session::KeepScripts(const RequestTask& task) {
  ScriptCache& scripts = worker_->ScriptsOf(upstream_);
  for (const Pinned::ScriptChange& change : task.script_changes) {
    change.flush ? scripts.Clear() : scripts.Remember(change.text);
  }
}

void Dispatcher::NoteScript(const Plan& plan, const Input& input, Request* request) {
  ScriptCache& scripts = worker_.ScriptsOf(session_.upstream_);
  const ParsedRequest& parsed = input.parsed;
  if (session_.own_link_ != nullptr && session_.pinned_->state.expected().transaction) {
    NoteQueuedScript(plan.entry->script, parsed);
    request->keeps_wire |= plan.entry->script == ScriptUse::kHash;
    return;
  }
  switch (plan.entry->script) {
    case ScriptUse::kNone:
      return;
    case ScriptUse::kText:
      if (parsed.argc > 1 && worker_.IsNewScript(session_.upstream_, parsed.arg(1))) {
        scripts.Remember(parsed.arg(1));
      }
      return;
    case ScriptUse::kLoad:
      if (parsed.argc > 2) scripts.Remember(parsed.arg(2));
      return;
    case ScriptUse::kHash:
      request->keeps_wire = true;
      return;
    case ScriptUse::kFlush:
      scripts.Clear();
      return;
  }
}

// True if the request, which Redis has answered with NOSCRIPT, is sent again as another.
bool Session::SendScriptAgain(Request& request) {
  RequestParser parser(
      RequestLimits{.bulk_bytes_max = uint64_t{1} << 31, .request_bytes_max = uint32_t{1} << 31});
  ParseState state;
  ParsedRequest parsed;
  const Slice before = std::move(request.wire);
  request.keeps_wire = false;
  if (parser.Parse(&state, before.view(), &parsed) != ParseStatus::kRequest) return false;
  if (parsed.argc < 3) return false;
  std::shared_ptr<const std::string> known;
  std::string_view text;
  if (request.extra != nullptr) text = static_cast<RequestTask&>(*request.extra).script_text;
  if (text.empty()) {
    known = worker_->ScriptsOf(upstream_).Find(parsed.arg(1));
    if (known == nullptr) return false;
    text = *known;
  }
  std::vector<std::string_view> args;
  for (uint32_t i = 0; i < parsed.argc; ++i) args.push_back(parsed.arg(i));
  args[0] = !request.stands_in && request.entry->is_readonly ? "EVAL_RO" : "EVAL";
  args[1] = text;
  std::string wire;
  AppendRequest(&wire, args);
  request.wire = Slice::Copy(worker_->context().chunks, wire);
  request.sent_as_text = true;
  request.keeps_wire = request.routed || request.repeatable;
  if (request.routed) {
    --on_links_;
    LeaveRoute(request);
    AddDetour({.request = &request, .line = "-NOSCRIPT No matching script. Please use EVAL."});
    worker_->context().stats.scripts_sent_again.Add();
    return true;
  }
  worker_->ResendAtTurnEnd(this, &request);
  Schedule();
  return true;
}

// At the turn's end: the link that answered NOSCRIPT is through with the request.
void Session::Resend(Request* request) {
  const InLane in(this, request->upstream);
  request->replies = request->replies_before = request->errors = 0;
  request->sent = request->reply_begun = false;
  request->sent_ns = request->replied_ns = request->end_offset = 0;
  request->deadline_ms = worker_->DeadlineMs(upstream_, request->entry);
  const bool own = own_link_ != nullptr && flow_ == own_link_;
  Link* link = own ? own_link_ : group_->Shared(conversation_.id, /*for_script=*/true);
  const Slice wire = request->wire.Share();
  TakeBack(request);
  if (link != nullptr && link->Send(request, wire.chunk(), wire.view())) {
    flow_ = link;
    if (request->sent_as_text) worker_->context().stats.scripts_sent_again.Add();
    return;
  }
  --on_links_;
  if (!request->repeatable) {
    return AnswerUnsent(request, "-NOSCRIPT No matching script. Please use EVAL.\r\n");
  }
  AnswerUnsent(request, (link == nullptr ? worker_->TooManyLinksLine(upstream_)
                                         : std::string(link->RefusalLine())) +
                            "\r\n");
}

}  // namespace weir
