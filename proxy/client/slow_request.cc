// Whether a request that was answered belongs in the slow log, and what it is there.
//
// Of a run, later replies are later than earlier ones: the first that is late is shown, once, and
// how many of the run are late with it. What a request waits for before it is taken from its
// client's input, behind a pause in reading, is in no entry; nor are commands that may block.
#include <algorithm>
#include <chrono>
#include <utility>

#include "proxy/backend/upstream.h"
#include "proxy/client/asked.h"
#include "proxy/client/session.h"
#include "proxy/slow_log.h"
#include "proxy/worker.h"

namespace weir {
namespace {

constexpr size_t kNameBytesMax = 128;  // of a client's name, as long as an argument may be

// `heard`: what the node has last said of it is about these requests.
void SplitTime(const Request& request, bool heard, uint64_t now_ns, SlowEntry* entry) {
  const uint64_t total_ns = now_ns - request.received_ns;
  uint64_t queue_ns = 0;
  uint64_t upstream_ns = 0;
  if (request.sent) {
    if (request.sent_ns > request.received_ns) queue_ns = request.sent_ns - request.received_ns;
    const uint64_t heard_ns =
        heard && request.replied_ns > request.sent_ns ? request.replied_ns : now_ns;
    upstream_ns = heard_ns - request.sent_ns;
  } else if (request.link != nullptr) {
    queue_ns = total_ns;
  }
  entry->queue_us = queue_ns / 1000;
  entry->upstream_us = upstream_ns / 1000;
  entry->total_us = std::max(total_ns / 1000, entry->queue_us + entry->upstream_us);
  entry->weir_us = entry->total_us - entry->queue_us - entry->upstream_us;
}

int64_t UnixSeconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace

void Session::KeepAsked(Request* request) {
  const Worker::Asked& asked = worker_->asked();
  request->asked_db = conversation_.db;
  if (request->entry != nullptr && !request->entry->blocks) {
    request->asked_in = ChunkRef::Share(asked.chunk);
    request->asked = asked.wire.data();
    return;
  }
  // It may wait for ever, and must not keep alive what else was read with it.
  if (request->entry != nullptr && worker_->key_stats() == nullptr) return;
  const Slice copy = Slice::Copy(worker_->context().chunks, asked.wire);
  request->asked_in = ChunkRef::Share(copy.chunk());
  request->asked = copy.data();
}

void Session::NoteIfSlow(Request& request, uint32_t first, bool heard) {
  SlowLog* const log = worker_->slow_log();
  if (log == nullptr || request.noted_slow) return;
  const uint64_t now_ns = worker_->context().NowNs();
  if (now_ns - request.received_ns < log->slower_than_ns()) return;
  request.noted_slow = true;
  if (request.entry != nullptr && request.entry->blocks) return;
  AskedReader asked(*worker_, request);
  for (uint32_t i = 0; i <= first; ++i) {
    if (!asked.Next()) return;
  }
  SlowEntry slow;
  SplitTime(request, heard, now_ns, &slow);
  slow.unix_s = UnixSeconds();
  slow.requests = request.count - first;
  slow.upstream = worker_->UpstreamAt(request.upstream).config().name;
  slow.address = address();
  slow.client_name = conversation_.name().substr(0, kNameBytesMax);
  slow.args = SlowlogArgs(asked.entry(), asked.args(), asked.argc_declared());
  log->Add(static_cast<size_t>(worker_->worker()), std::move(slow));
}

}  // namespace weir
