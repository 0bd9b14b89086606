// What becomes of a link's requests when time runs out or the connection breaks.
//
//   sent, changes nothing      sent again on the next connection, unless a write of the same client
//                              was sent behind it: then the order would change
//   sent, anything else        its fate is unknown: an error says so
//   not or only partly sent    cannot have run: sent on the next connection
//   a transaction sent whole   has one fate: sent on the next connection if no byte was written
//   reply partly passed on     nothing can mend it: its client is closed (by its owner)
#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "plugins/text.h"
#include "proxy/backend/link.h"
#include "proxy/config.h"
#include "resp/request_parser.h"

namespace weir {
namespace {

constexpr uint8_t kTriesMax = 3;
// How often is looked whether the script has ended that keeps the node from its handshake.
constexpr uint64_t kScriptLookMs = 50;
// A timer that comes later than that was held up together with everything else.
constexpr uint64_t kLateMs = 50;

// How many whole requests stand in the first `limit` bytes of `wire`, at most `max`; `*bytes` is
// what they take.
uint32_t CountRequests(std::string_view wire, size_t limit, uint32_t max, size_t* bytes) {
  RequestLimits limits;
  limits.request_bytes_max = uint32_t{1} << 31;
  limits.bulk_bytes_max = uint64_t{1} << 31;
  RequestParser parser(limits);
  ParseState state;
  ParsedRequest parsed;
  uint32_t n = 0;
  *bytes = 0;
  while (n < max && *bytes < limit) {
    const std::string_view rest = wire.substr(*bytes, limit - *bytes);
    if (parser.Parse(&state, rest, &parsed) != ParseStatus::kRequest) break;
    *bytes += parsed.consumed;
    ++n;
  }
  return n;
}

}  // namespace

// ---- time

uint64_t Link::NextWakeMs() const {
  uint64_t wake_ms = UINT64_MAX;
  if (in_phase()) {
    wake_ms = phase_deadline_ms_;
    if (head_ != nullptr && state_ != State::kReady) {
      // How long the oldest one may wait; checked at this pace rather than to the millisecond.
      wake_ms = std::min(wake_ms, context_->NowMs() + 20);
    }
  }
  for (const Request* r = expire_from_; r != nullptr; r = r->link_next) {
    if (r->deadline_ms == 0) continue;
    return std::min(wake_ms, r->deadline_ms);
  }
  if (head_ != nullptr && head_->deadline_ms != 0 && state_ == State::kReady) {
    wake_ms = std::min(wake_ms, std::max(last_read_ms_, head_->deadline_ms) +
                                    static_cast<uint64_t>(config_->request_timeout_ms));
  }
  return wake_ms;
}

void Link::ArmTimer() {
  if (state_ == State::kClosed) return;
  const uint64_t wake_ms = NextWakeMs();
  if (wake_ms == UINT64_MAX) {
    uv_timer_stop(&timer_);
    return;
  }
  const uint64_t now_ms = context_->NowMs();
  StartTimer(wake_ms > now_ms ? wake_ms - now_ms : 1);
}

void Link::StartTimer(uint64_t delay_ms) {
  timer_due_ms_ = context_->NowMs() + delay_ms;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Link*>(timer->data)->OnTimer(); }, delay_ms, 0);
}

void Link::OnTimer() {
  const uint64_t now_ms = context_->NowMs();
  // The process stood still, and timers come before events: what is there already is read first.
  if (now_ms >= timer_due_ms_ + kLateMs) return StartTimer(1);
  const bool phase_over = now_ms >= phase_deadline_ms_;
  if (state_ == State::kConnecting && phase_over) {
    dial_.Forget();
    FailToConnect(Concat("no connection within ", config_->connect_timeout_ms, " ms"));
  } else if (in_handshake() && phase_over && RunsScriptSince(UINT64_MAX)) {
    phase_deadline_ms_ = now_ms + kScriptLookMs;
  } else if (in_handshake() && phase_over) {
    Break(Concat("no answer to the handshake within ", config_->connect_timeout_ms, " ms"));
  } else if (state_ == State::kBackoff && phase_over && !stream_closing_) {
    const auto idle_ms = static_cast<uint64_t>(config_->idle_link_timeout_ms);
    if (head_ == nullptr && !held() && idle_ms != 0 && now_ms - last_used_ms_ > idle_ms) {
      // Nobody asks for it any more; the next one who does starts anew.
      state_ = State::kIdle;
      node_->down = false;
      node_->unreachable_since_ms = 0;
    } else {
      StartConnecting();
    }
  }
  if (state_ != State::kReady) ExpireWaiting();
  ExpireRequests();
  ArmTimer();
}

// Requests wait for a connection no longer than offline_queue_age_max_ms; then the node is down.
void Link::ExpireWaiting() {
  const uint64_t now_ns = context_->NowNs();
  const auto age_max_ns = static_cast<uint64_t>(config_->offline_queue_age_max_ms) * 1'000'000;
  for (const Request* r = head_; r != nullptr; r = r->link_next) {
    if (r->use == ReplyUse::kHandshake || r->owner == nullptr) continue;
    // A request that is sent again waits since its connection broke (see KeepAfterBreak).
    if (now_ns - std::max(r->received_ns, r->sent_ns) < age_max_ns) return;
    if (node_->cause.empty()) {
      node_->cause = Concat("not connected within ", config_->offline_queue_age_max_ms, " ms");
    }
    if (node_->unreachable_since_ms == 0) node_->unreachable_since_ms = context_->NowMs();
    node_->down = true;
    owner_->OnLinkFailed(*this, node_->cause);
    return FailWaiting(node_->DownError());
  }
}

void Link::ExpireRequests() {
  if (paused_by_ != nullptr) return;  // a client's slowness is not the node's
  const uint64_t now_ms = context_->NowMs();
  const auto timeout_ms = static_cast<uint64_t>(config_->request_timeout_ms);
  Request* earliest = nullptr;
  for (Request* r = expire_from_; r != nullptr; r = r->link_next) {
    if (r->deadline_ms == 0 || r->owner == nullptr) continue;
    // A reply that is on its way may take as long as it keeps coming.
    const bool coming = r->reply_begun || (r == head_ && !unread_.empty());
    if (coming) r->deadline_ms = std::max(r->deadline_ms, last_read_ms_ + timeout_ms);
    if (r->deadline_ms > now_ms) {
      if (earliest == nullptr) earliest = r;
      if (coming) continue;
      break;
    }
    context_->stats.requests_timed_out.Add(r->remaining());
    Fail(r, Concat("-TIMEOUT weir: no answer from ", node_->address, " in ", timeout_ms, " ms"));
    // What waits unsent, waits for the node as well.
    if (!own_ && state_ == State::kReady)
      owner_->OnRequestFailed(*this, RequestFailure::kNoAnswer,
                              Concat("no answer in ", timeout_ms, " ms"));
  }
  expire_from_ = earliest;
  // All that wait are tombstones, and not a byte came in all that time: nothing will.
  if (state_ == State::kReady && head_ != nullptr && head_->deadline_ms != 0 &&
      std::max(last_read_ms_, head_->deadline_ms) + timeout_ms <= now_ms) {
    Break(Concat("not a byte came in ", 2 * timeout_ms, " ms"));
  }
}

// ---- failure

// Answers all that remains of the run with an error; replies that still come are swallowed.
void Link::Fail(Request* request, std::string_view line) {
  RequestOwner* owner = std::exchange(request->owner, nullptr);
  if (owner != nullptr) owner->OnFailed(*request, request->remaining(), true, line);
  if (request->use == ReplyUse::kForward) request->use = ReplyUse::kSwallow;
}

// Answers all that wait for a connection with an error and forgets them. Only the handshake's own
// requests can have been sent.
void Link::FailWaiting(std::string_view line) {
  const std::string copy(line);
  Request* last_sent = nullptr;
  Request* waiting = head_;
  while (waiting != nullptr && waiting->use == ReplyUse::kHandshake) {
    last_sent = waiting;
    waiting = waiting->link_next;
  }
  (last_sent == nullptr ? head_ : last_sent->link_next) = nullptr;
  tail_ = last_sent;
  if (unsent_ != nullptr && unsent_->use != ReplyUse::kHandshake) unsent_ = nullptr;
  if (expire_from_ != nullptr && expire_from_->use != ReplyUse::kHandshake) expire_from_ = nullptr;
  while (waiting != nullptr) {
    Request* r = std::exchange(waiting, waiting->link_next);
    in_flight_ -= r->remaining();
    r->link_next = nullptr;
    if (refused_.empty() && HandBack(r, copy)) continue;
    context_->stats.requests_failed_down.Add(r->remaining());
    Fail(r, copy);
    r->in_link = false;
    context_->requests.ReleaseIfUnused(r);
  }
  offline_bytes_ = 0;
}

// True if its owner has taken the request, none of which ran, out of the queue.
bool Link::HandBack(Request* request, std::string_view line) {
  if (!hands_back_ || request->owner == nullptr || request->use == ReplyUse::kHandshake) {
    return false;
  }
  request->in_link = false;
  if (request->owner->OnHandedBack(*request, line)) return true;
  request->in_link = true;
  return false;
}

void Link::Abandon(std::string_view cause) {
  if (state_ == State::kClosed) return;
  const std::string line = Concat("-DOWN weir: no connection to ", node_->address, ": ", cause);
  retiring_ = true;
  if (state_ == State::kReady || state_ == State::kGated) {
    Break(cause);
  } else {
    FailWaiting(line);
  }
  if (state_ != State::kClosed) CloseNow(line);
}

void Link::Break(std::string_view cause) {
  if (state_ != State::kReady && state_ != State::kGated) return;
  const std::string why(cause);
  context_->stats.links.Add(-1);
  context_->stats.links_failed.Add();
  state_ = State::kBackoff;
  if (own_) retiring_ = true;
  ForgetPause();
  stream_closing_ = true;
  stream_.Close();
  out_.Clear();
  copies_.Reset();
  unread_ = Slice();
  scanned_ = 0;
  const bool failed_requests = !own_ && !retiring_ && proved_ && HasUnanswered();
  ResolveInFlight(why);
  if (!refused_.empty() || !proved_) return EnterBackoff(why);
  if (failed_requests) {
    owner_->OnRequestFailed(*this, RequestFailure::kBroken, Concat("the connection broke: ", why));
  }
  owner_->OnLinkFailed(*this, why);
  OfferRoom();
  if (retiring_ && head_ == nullptr) return CloseIfDrained();
  // The first attempt comes at once (see OnStreamClosed), unless nobody waits for it.
  if (head_ == nullptr) {
    state_ = State::kIdle;
  } else {
    phase_deadline_ms_ = context_->NowMs();
  }
  ArmTimer();
}

// Whether a client waits for an answer to what was sent.
bool Link::HasUnanswered() const {
  for (const Request* r = head_; r != nullptr && r->sent; r = r->link_next) {
    if (r->use != ReplyUse::kHandshake && r->owner != nullptr) return true;
  }
  return false;
}

// Sorts the queue of a broken connection into what is answered and what is sent again.
void Link::ResolveInFlight(std::string_view cause) {
  const std::string unknown_line =
      Concat("-UNKNOWN weir: the connection to ", node_->address,
             " broke after the command was sent; it may or may not have run (", cause, ")");
  const std::string broke_line =
      Concat("-DOWN weir: the connection to ", node_->address, " broke: ", cause);
  // Refused before it was looked at: see HandshakeGates for why no other refusal has requests in
  // flight behind it.
  const bool none_ran = refused_.starts_with("-WRONGPASS") || refused_.starts_with("-NOAUTH") ||
                        refused_.starts_with("-NOPERM");
  // From the end: whose writes were sent behind?
  std::vector<Request*> queue;
  for (Request* r = head_; r != nullptr; r = r->link_next) queue.push_back(r);
  absl::flat_hash_set<const RequestOwner*> writers;
  std::vector<bool> write_behind(queue.size());
  for (size_t i = queue.size(); i-- > 0;) {
    write_behind[i] = writers.contains(queue[i]->owner);
    if (queue[i]->sent && !queue[i]->retryable) writers.insert(queue[i]->owner);
  }
  head_ = tail_ = unsent_ = expire_from_ = nullptr;
  in_flight_ = 0;
  offline_bytes_ = 0;
  const std::vector<bool> intact = IntactTransactions(queue);
  for (size_t i = 0; i < queue.size(); ++i) {
    Request* r = queue[i];
    r->link_next = nullptr;
    if (none_ran && r->use != ReplyUse::kHandshake && r->sent) r->retryable = !r->wire.empty();
    const bool keep = r->in_transaction == InTransaction::kNone
                          ? KeepAfterBreak(r, write_behind[i] && !none_ran, unknown_line)
                          : KeepTransaction(r, intact[i], unknown_line);
    if (keep) {
      if (refused_.empty() && HandBack(r, broke_line)) continue;
      Append(r);
      offline_bytes_ += r->wire.size();
    } else {
      r->in_link = false;
      context_->requests.ReleaseIfUnused(r);
    }
  }
}

// Of each request, whether it belongs to a transaction of which the node can know nothing: all of
// it is there, is waited for, and was not written.
std::vector<bool> Link::IntactTransactions(const std::vector<Request*>& queue) const {
  std::vector<bool> intact(queue.size());
  bool whole = false;
  for (size_t i = queue.size(); i-- > 0;) {
    const Request& r = *queue[i];
    if (r.in_transaction == InTransaction::kLast) whole = true;
    whole = whole && r.owner != nullptr && !IsOnTheWire(r);
    if (r.in_transaction != InTransaction::kFirst) continue;
    for (size_t j = i; whole; ++j) {
      intact[j] = true;
      if (queue[j]->in_transaction == InTransaction::kLast) break;
    }
  }
  return intact;
}

bool Link::KeepTransaction(Request* r, bool intact, std::string_view unknown_line) {
  if (r->owner == nullptr) return false;
  if (!intact || retiring_) {
    context_->stats.requests_unknown.Add(r->remaining());
    Fail(r, unknown_line);
    return false;
  }
  r->sent_ns = context_->NowNs();
  r->end_offset = 0;
  return true;
}

// True if the rest of the run is to be sent again; else it was answered.
bool Link::KeepAfterBreak(Request* r, bool write_behind, std::string_view unknown_line) {
  if (r->use == ReplyUse::kHandshake || r->owner == nullptr) return false;
  const bool goes_on = hands_back_ && (!own_ || r->routed);
  if (r->reply_begun || r->streamed || (retiring_ && !goes_on)) {
    // A part of it was at most begun: nothing runs before its end is there.
    const bool did_not_run = !r->sent && (r->streamed || !IsOnTheWire(*r));
    Fail(r, did_not_run ? Concat("-DOWN weir: the connection to ", node_->address,
                                 " broke before all of the command was sent; it did not run")
                        : std::string(unknown_line));
    return false;
  }
  // The bytes on the wire are those of requests not yet answered when it was last sent.
  const uint64_t begin = r->end_offset - r->wire.size();
  size_t written = 0;
  if (r->end_offset != 0 && stream_written_ > begin) {
    written = std::min<uint64_t>(r->wire.size(), stream_written_ - begin);
  }
  const bool resend = r->retryable && !write_behind && r->tries < kTriesMax;
  size_t bytes = 0;
  if (resend) {
    CountRequests(r->wire.view(), r->wire.size(), r->replies - r->replies_before, &bytes);
  } else {
    uint32_t unknown = r->remaining();
    if (!r->sent) {
      const uint32_t whole = CountRequests(r->wire.view(), written, r->count, &bytes);
      unknown = whole - std::min(whole, r->replies - r->replies_before);
    }
    if (unknown == r->remaining()) {
      // Its owner finds out.
      if (!r->repeatable) context_->stats.requests_unknown.Add(unknown);
      Fail(r, unknown_line);
      return false;
    }
    if (unknown != 0) {
      context_->stats.requests_unknown.Add(unknown);
      r->replies += unknown;
      r->owner->OnFailed(*r, unknown, false, unknown_line);
    }
  }
  r->wire.RemovePrefix(bytes);
  r->replies_before = r->replies;
  if (r->sent) {
    ++r->tries;
    context_->stats.requests_retried.Add(r->remaining());
  }
  r->sent = false;
  r->sent_ns = context_->NowNs();
  r->end_offset = 0;
  return true;
}

void Link::EnterBackoff(std::string_view cause) {
  state_ = State::kBackoff;
  const uint64_t now_ms = context_->NowMs();
  node_->cause = std::string(cause);
  if (!refused_.empty()) {
    // The node is there; it does not want this link.
    FailWaiting(RefusalLine());
    if (asks_for_client()) {
      // Nobody is to make links with wrong passwords, or dbs that are none, that then stay.
      retiring_ = retiring_ || (head_ == nullptr && waiting_.empty());
      node_->cause.clear();
      state_ = State::kIdle;
      owner_->OnLinkFailed(*this, cause);
      OfferRoom();
      if (retiring_) return CloseIfDrained();
      return ArmTimer();
    }
  } else {
    if (node_->unreachable_since_ms == 0) node_->unreachable_since_ms = now_ms;
    const auto age_max_ms = static_cast<uint64_t>(config_->offline_queue_age_max_ms);
    if (hands_back_) FailWaiting(node_->DownError());
    if (now_ms - node_->unreachable_since_ms >= age_max_ms) {
      node_->down = true;
      FailWaiting(node_->DownError());
    }
  }
  // Exponential, with up to half of it taken off at random, so that many links do not come at once.
  const int shift = std::min<int>(attempts_, 20);
  if (attempts_ < UINT8_MAX) ++attempts_;
  const int64_t delay_ms = std::min(config_->reconnect_max_ms, config_->reconnect_min_ms << shift);
  const uint64_t jitter_ms = context_->random() % static_cast<uint64_t>(delay_ms / 2 + 1);
  phase_deadline_ms_ = now_ms + static_cast<uint64_t>(delay_ms) - jitter_ms;
  owner_->OnLinkFailed(*this, cause);
  OfferRoom();
  if (retiring_) return CloseIfDrained();
  ArmTimer();
}

}  // namespace weir
