// MONITOR: what a session and its dispatcher do about it, on either side. The feed between them is
// proxy/monitor_feed.h.
//
// A command is shown when weir has accepted it: what weir refuses is not, what Redis will refuse
// for reasons of its own (ACLs, OOM, READONLY) is. As with Redis, the commands of a transaction are
// shown when EXEC has run them, before EXEC itself; those of one that fails never.
#include <sys/time.h>

#include <utility>

#include "plugins/text.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/monitor_line.h"
#include "proxy/client/monitoring.h"
#include "proxy/client/permission.h"
#include "proxy/client/receiver_counts.h"
#include "proxy/client/request_task.h"
#include "proxy/client/session.h"
#include "proxy/net/address.h"
#include "proxy/worker.h"

namespace weir {
namespace {

// Of one client's transactions that are not shown yet. Beyond, a command is shown at once.
constexpr size_t kUnshownBytesMax = size_t{1} << 20;

uint64_t UnixMicros() {
  timeval now = {};
  ::gettimeofday(&now, nullptr);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_usec);
}

bool UsesKeyspace(const CommandEntry* entry) {
  if (entry == nullptr || entry->spec == nullptr) return false;
  const CommandFlags& flags = entry->spec->flags;
  // What may be replicated Redis does not say in COMMAND: PUBLISH and scripts.
  return flags.Has(CommandFlag::kWrite) || flags.Has(CommandFlag::kReadonly) ||
         entry->runs_script || PublishKind(entry->spec->name).has_value();
}

}  // namespace

// ---- who is shown

// Perform, while somebody monitors.
bool Dispatcher::PerformShown(const Plan& plan, const Input& input) {
  // The command within is shown.
  if (plan.entry != nullptr && plan.entry->local == LocalCommand::kWeirOn) return Act(plan, input);
  refused_ = false;
  if (session_.pinned_ != nullptr) session_.pinned_->exec_sent = false;
  if (session_.monitoring() != nullptr && session_.monitoring()->begun &&
      UsesKeyspace(plan.entry) && plan.entry->spec->ArityAllows(input.parsed.argc_declared)) {
    const std::string_view line = "-ERR Replica can't interact with the keyspace";
    const bool in_transaction =
        session_.own_link_ != nullptr && session_.pinned_->state.expected().transaction;
    return in_transaction ? RefuseInTransaction(plan.entry, line, input)
                          : Refuse(plan.entry, line, input);
  }
  if (!Act(plan, input)) return false;
  const ParsedRequest& said = input.script != nullptr ? *input.stands_for : input.parsed;
  const CommandEntry* entry = EntryShown(plan, input);
  if (!refused_ && !session_.closed() && IsShownToMonitors(entry, said.argc_declared)) {
    session_.ShowToMonitors(*entry, MonitorWords(*entry, ArgList(said), input.tail == nullptr));
  }
  return true;
}

void Session::ShowToMonitors(const CommandEntry& entry, std::string words) {
  if (entry.local == LocalCommand::kSelect && tail_ != nullptr && tail_->collect) {
    // Redis is asked; as with Redis, the line names the db that comes of it.
    static_cast<RequestTask&>(*tail_->extra).shown_words = std::move(words);
    return;
  }
  if (pinned_ == nullptr) return ShowWords(words);
  std::deque<Pinned::Unshown>& unshown = pinned_->unshown;
  bool open = !unshown.empty() && unshown.back().exec.empty();
  if (entry.effect == PinEffect::kExec && pinned_->exec_sent) {
    if (!open) unshown.emplace_back();
    unshown.back().exec = std::move(words);
    return;
  }
  // It was discarded, or EXEC could only be answered so.
  if (open && (entry.effect == PinEffect::kDiscard || entry.effect == PinEffect::kExec)) {
    for (const std::string& dropped : unshown.back().words) {
      pinned_->unshown_bytes -= dropped.size();
    }
    unshown.pop_back();
    open = false;
  }
  const bool queued = pinned_->state.expected().transaction && entry.effect != PinEffect::kMulti &&
                      entry.effect != PinEffect::kWatch && entry.effect != PinEffect::kDiscard &&
                      entry.local != LocalCommand::kQuit;
  if (!queued || pinned_->unshown_bytes + words.size() > kUnshownBytesMax) return ShowWords(words);
  if (!open) unshown.emplace_back();
  pinned_->unshown_bytes += words.size();
  unshown.back().words.push_back(std::move(words));
}

// EXEC was answered. `ran`: it neither failed nor found a watched key changed.
void Session::ShowTransaction(bool ran) {
  if (pinned_ == nullptr || pinned_->unshown.empty()) return;
  std::deque<Pinned::Unshown>& unshown = pinned_->unshown;
  if (unshown.front().exec.empty()) return;
  const Pinned::Unshown shown = std::move(unshown.front());
  unshown.pop_front();
  for (const std::string& words : shown.words) {
    pinned_->unshown_bytes -= words.size();
    if (ran) ShowWords(words);
  }
  ShowWords(shown.exec);
}

void Session::ShowWords(std::string_view words) {
  const Address local = Address::LocalOf(stream_.fd());
  // "/path:0" is what CLIENT LIST shows of it.
  const std::string local_text = local.ToString();
  const std::string who =
      local.is_unix() ? Concat("unix:", local_text.substr(0, local_text.rfind(':'))) : address();
  const auto upstream = static_cast<size_t>(worker_->UpstreamAt(upstream_).index());
  worker_->monitors().Show(upstream, MonitorLine(UnixMicros(), conversation_.db, who, words));
}

// ---- who watches

// With passthrough authentication, Redis says on a connection that is then closed whether this user
// may.
bool Dispatcher::StartMonitor(const Plan& plan, const Input& input) {
  if (!plan.entry->spec->ArityAllows(input.parsed.argc_declared)) return AnswerLocally(plan, input);
  if (session_.monitoring() != nullptr) {
    // Redis says nothing to who is a monitor already.
    if (!session_.monitoring()->begun) {
      session_.SetPause(Pause::kAsk);
      return false;
    }
    session_.Answer(plan.entry, {});
    return true;
  }
  LocalOutcome::Gather gather;
  const auto upstream = static_cast<size_t>(worker_.UpstreamAt(session_.upstream_).index());
  gather.visit = [upstream, mine = static_cast<size_t>(worker_.worker())](
                     ClientTable& clients, std::string*) { clients.CountMonitor(upstream, mine); };
  gather.combine = [session = &session_](Conversation&, const std::vector<std::string>&) {
    return session->BeginMonitoring();
  };
  if (worker_.config().auth.mode == AuthMode::kPassthrough) {
    return AskToMonitor(plan, input, std::move(gather));
  }
  session_.extras().monitoring = std::make_unique<Monitoring>();
  session_.SetPause(Pause::kAsk);
  Gather(plan, input, std::move(gather), TakeSilence());
  return true;
}

bool Dispatcher::AskToMonitor(const Plan& plan, const Input& input, LocalOutcome::Gather gather) {
  if (const std::optional<bool> done = ReadyOwnLink(plan, input)) return *done;
  Link* link = session_.own_link_;
  link->ExpectMonitorLines();
  session_.pinned_->state.Taint();
  const bool silent = TakeSilence();
  Request* request = session_.Push(plan.entry);
  request->silent = silent;
  request->collect = true;
  request->deadline_ms = worker_.DeadlineMs(session_.upstream_, plan.entry);
  auto task = std::make_unique<RequestTask>();
  task->ask.permits = [session = &session_](std::string_view reply) {
    if (reply.starts_with('-')) return false;
    session->extras().monitoring = std::make_unique<Monitoring>();
    return true;
  };
  task->ask.serial = true;
  task->gather = std::move(gather);
  request->extra = std::move(task);
  session_.SetPause(Pause::kAsk);
  const Slice wire = Slice::Copy(worker_.context().chunks, input.parsed.wire);
  if (link->Send(request, wire.chunk(), wire.view())) ++session_.on_links_;
  session_.flow_ = link;
  return true;
}

// All workers know of it. Returns the reply.
std::string Session::BeginMonitoring() {
  monitoring()->begun = true;
  monitoring()->upstream = upstream_;
  worker_->monitors().Add(Number(upstream_), this);
  return "+OK\r\n";
}

void Session::StopMonitoring() {
  if (monitoring() == nullptr) return;
  const size_t upstream = Number(monitoring()->upstream);
  extras_->monitoring.reset();
  worker_->monitors().Remove(upstream, this);
  worker_->ForgetMonitor(upstream);
}

void Session::OnMonitorLines(std::string_view lines, bool lost) {
  if (closed_ || monitoring()->lost) return;
  const Request* head = head_;
  const bool mid_reply =
      head != nullptr && head->reply_begun && !head->collect && !head->silent && !head->done;
  SliceQueue& to = mid_reply || !monitoring()->waiting.empty() ? monitoring()->waiting : out_;
  to.AppendCopy(worker_->context().chunks, lines);
  monitoring()->lost =
      lost || out_.bytes() + monitoring()->waiting.bytes() > worker_->output_bytes_max();
  Schedule();
}

// At the turn's end. False: the session is closed.
bool Session::RunMonitoring() {
  if (monitoring()->lost) {
    worker_->context().stats.clients_output_closed.Add();
    Close();
    return false;
  }
  const bool mid_reply =
      head_ != nullptr && head_->reply_begun && !head_->collect && !head_->silent && !head_->done;
  if (!mid_reply) out_.Append(std::exchange(monitoring()->waiting, SliceQueue()));
  return true;
}

}  // namespace weir
