// Scripts that plugins send in place of a request, which know whether they have run.
//
// Such a script stands in for a write that the client could not have sent again. So when its
// connection breaks, weir sends it again and hears what became of it; only if no node can be asked
// is the client told that its fate is unknown.
//
//   sent -- answered ----------------------------------> the reply
//     ^ \-- refused: NOSCRIPT, MOVED, … ----> sent again, as for any request
//     |  \- connection broke after it was written
//     |            |  \- it may have forgotten by then: -UNKNOWN
//     +-- at the turn's end, kRepeatsMax times ----------> then, or when it gets any error from
//                                                          here on: -UNKNOWN, as at the first time
//
// Nothing of the same client is sent behind it before it is answered, so none can change places
// with it.
#include <string>
#include <utility>

#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/request_task.h"
#include "proxy/client/routes.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"

namespace weir {
namespace {

constexpr uint8_t kRepeatsMax = 3;

}  // namespace

void Dispatcher::StandIn(const CommandEntry* shown, const ScriptCall& script, const Link& link,
                         Request* request, RequestTask* task) {
  request->entry = session_.traffic().last_entry = shown;
  request->stands_in = true;
  task->script_text = script.text;
  task->script_known_for_ms = script.known_for_ms;
  task->ask.serial = true;
  session_.SetPause(Pause::kAsk);
  request->collect = true;
  request->keeps_wire = true;
  // What is lost with a connection of the client's own is more than this.
  request->repeatable = link.resends() && &link != session_.own_link_;
}

// Whether it can still tell that it has run when the node gets it once more, at the latest.
bool Session::IsKnownFor(const Request& request, uint64_t known_for_ms) const {
  const UpstreamConfig& config = worker_->UpstreamAt(upstream_).config();
  const uint64_t gone_ms = (worker_->context().NowNs() - request.received_ns) / 1'000'000;
  const auto on_its_way_ms = static_cast<uint64_t>(
      config.request_timeout_ms + config.retry_budget_ms + config.offline_queue_age_max_ms);
  return gone_ms + on_its_way_ms < known_for_ms;
}

// True: it is sent again, so its client need not hear `line`.
bool Session::Repeat(Request& request, std::string_view line) {
  const bool unknown = line.starts_with("-UNKNOWN ");
  if (!unknown || closed_ || request.tries >= kRepeatsMax || request.wire.empty()) return false;
  auto& task = static_cast<RequestTask&>(*request.extra);
  if (task.unknown_line.empty()) task.unknown_line = line;
  if (!IsKnownFor(request, task.script_known_for_ms)) return false;
  task.collected.clear();
  task.too_large = false;
  ++request.tries;
  worker_->context().stats.requests_retried.Add();
  if (!request.routed) {
    worker_->ResendAtTurnEnd(this, &request);
    Schedule();
    return true;
  }
  Upstream& upstream = worker_->UpstreamAt(upstream_);
  if (request.history == nullptr) {
    request.history = std::make_unique<RedirectHistory>(
        RedirectHistory{.first_refused_ms = worker_->context().NowMs()});
  }
  upstream.WantRefresh(line);
  --on_links_;
  LeaveRoute(request);
  AddDetour({.request = &request, .line = std::string(line)});
  return true;
}

// The link has let go of it.
void Session::TakeBack(Request* request) {
  if (!request->repeatable) return;
  request->owner = this;
  request->use = ReplyUse::kForward;
}

// It is not sent any more; `reply` is an error.
void Session::AnswerUnsent(Request* request, const std::string& reply) {
  request->link = nullptr;
  if (!request->collect) return AnswerAt(request, reply);
  auto& task = static_cast<RequestTask&>(*request->extra);
  NoteError(*request, reply, 1);
  task.collected = reply;
  task.ask.permits = nullptr;
  FinishCollected(*request);
  Finish(*request);
}

}  // namespace weir
