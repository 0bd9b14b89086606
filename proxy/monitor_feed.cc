// Lines for monitors, between workers.
#include "proxy/monitor_feed.h"

#include <utility>

#include "proxy/client/session.h"
#include "proxy/server.h"
#include "proxy/worker.h"

namespace weir {

MonitorFeed::MonitorFeed(Worker* worker, size_t upstreams, size_t workers, size_t bytes_max)
    : worker_(worker), bytes_max_(bytes_max), watched_(upstreams) {
  for (Watched& watched : watched_) {
    watched.elsewhere.resize(workers);
    watched.batches.resize(workers);
  }
}

void MonitorFeed::Add(size_t upstream, Session* session) {
  watched_[upstream].here.push_back(session);
  ++watchers_;
  worker_->context().stats.monitors.Add(1);
}

void MonitorFeed::Remove(size_t upstream, Session* session) {
  if (std::erase(watched_[upstream].here, session) == 0) return;
  --watchers_;
  worker_->context().stats.monitors.Add(-1);
}

void MonitorFeed::CountElsewhere(size_t upstream, size_t worker, int change) {
  watched_[upstream].elsewhere[worker] += static_cast<uint32_t>(change);
  watchers_ += static_cast<uint64_t>(static_cast<int64_t>(change));
}

void MonitorFeed::Show(size_t upstream, std::string_view line) {
  ShowHere(upstream, line, false);
  Watched& watched = watched_[upstream];
  for (size_t i = 0; i < watched.elsewhere.size(); ++i) {
    if (watched.elsewhere[i] == 0) continue;
    Batch& batch = watched.batches[i];
    if (batch.lines.size() + line.size() > bytes_max_) batch.lost = true;
    if (batch.lost) {
      batch.lines.clear();
    } else {
      batch.lines += line;
    }
    if (scheduled) continue;
    scheduled = true;
    worker_->context().sessions_to_flush.push_back(this);
  }
}

void MonitorFeed::OnTurnEnd() {
  scheduled = false;
  for (size_t upstream = 0; upstream < watched_.size(); ++upstream) {
    std::vector<Batch>& batches = watched_[upstream].batches;
    for (size_t i = 0; i < batches.size(); ++i) {
      if (batches[i].lost || !batches[i].lines.empty()) {
        Send(upstream, i, std::exchange(batches[i], {}));
      }
    }
  }
}

void MonitorFeed::Send(size_t upstream, size_t worker, Batch batch) {
  Worker* const to = worker_->Other(worker);
  std::atomic<size_t>& coming = to->monitors().coming_bytes_;
  const size_t bytes = batch.lines.size();
  if (coming.fetch_add(bytes) + bytes > bytes_max_) {
    coming.fetch_sub(bytes);
    batch = {.lines = {}, .lost = true};
  }
  to->Post([to, upstream, batch = std::move(batch)] {
    to->monitors().coming_bytes_.fetch_sub(batch.lines.size());
    to->monitors().ShowHere(upstream, batch.lines, batch.lost);
  });
}

void MonitorFeed::ShowHere(size_t upstream, std::string_view lines, bool lost) {
  // None of them leaves the list meanwhile: a monitor that is too slow closes at the turn's end.
  for (Session* session : watched_[upstream].here) session->OnMonitorLines(lines, lost);
}

}  // namespace weir
