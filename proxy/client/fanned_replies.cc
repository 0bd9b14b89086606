// What becomes of the replies to a pipeline that was fanned out: see fanned_run.h.
#include <algorithm>
#include <cstring>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/fanned_run.h"
#include "proxy/client/routes.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/frame_length.h"
#include "resp/request_parser.h"

namespace weir {
namespace {

constexpr int kAnyVersion = 3;  // RESP3 includes RESP2

FannedRun& RunOf(Request& whole) { return static_cast<FannedRun&>(*whole.extra); }

// The nth of the requests that stand in `wire`, which weir has put there itself.
std::string_view NthRequest(std::string_view wire, uint32_t n) {
  RequestLimits limits;
  limits.request_bytes_max = FannedRun::kRequestBytesMax;
  RequestParser parser(limits);
  ParseState state;
  ParsedRequest parsed;
  for (uint32_t i = 0;; ++i) {
    if (parser.Parse(&state, wire, &parsed) != ParseStatus::kRequest) return {};
    if (i == n) return wire.substr(0, parsed.consumed);
    wire.remove_prefix(parsed.consumed);
  }
}

// Where the nth request of a branch stands in its run. Those that left it stood before the others.
uint32_t PositionOf(const FannedRun& run, const Request& branch, uint32_t n) {
  uint32_t before = n - run.branches[branch.part].left;
  for (uint32_t i = 0;; ++i) {
    if (run.positions[i].branch != branch.part) continue;
    if (before-- == 0) return i;
  }
}

// The front of a branch's replies while they are copied.
struct RepliesAhead {
  explicit RepliesAhead(SliceQueue* of) : replies(of) { Begin(); }
  // The length of the next one, which lies at `at`; 0: it is not here whole, or an error.
  size_t Bytes() {
    if (at == end && at != begin) Consume();
    const size_t bytes = ShortFrameBytes(at, end);
    return bytes != 0 ? bytes : ScanRun({at, end}, 1, kAnyVersion).bytes;
  }
  void Consume() {
    if (at == begin) return;
    replies->Consume(static_cast<size_t>(at - begin));
    Begin();
  }
  void Begin() {
    const std::string_view front = replies->front().view();
    begin = at = front.data();
    end = at + front.size();
  }

  SliceQueue* replies;
  const char* begin;
  const char* at;
  const char* end;
};

}  // namespace

// ---- branches

Request* Session::MakeBranch(Request* whole, uint32_t number) {
  Request* branch = worker_->context().requests.Make();
  branch->owner = this;
  branch->in_owner = true;
  branch->entry = whole->entry;
  branch->received_ns = whole->received_ns;
  branch->retryable = whole->entry->is_readonly;
  branch->keeps_wire = true;
  branch->whole = whole;
  branch->upstream = whole->upstream;
  branch->part = number;
  return branch;
}

// Makes a branch of its own of the nth request of a branch, as if it had been sent so.
Request* Session::SplitOff(Request& branch, uint32_t n) {
  Request* const whole = branch.whole;
  FannedRun& run = RunOf(*whole);
  const uint32_t position = PositionOf(run, branch, n);
  Request* single = MakeBranch(whole, static_cast<uint32_t>(run.branches.size()));
  single->slot = run.positions[position].slot;
  single->wire = Slice::Copy(worker_->context().chunks,
                             NthRequest(branch.wire.view(), n - branch.replies_before));
  single->link = branch.link;
  single->routed = true;
  ++routes_->at(branch.link->key().node).in_flight;
  ++on_links_;
  ++run.branches[branch.part].left;
  run.positions[position].branch = static_cast<uint8_t>(single->part);
  run.branches.emplace_back().request = single;
  return single;
}

// It will get nothing more. It is freed, at the latest by its link.
void Session::DetachBranch(Request& branch) {
  RunOf(*branch.whole).branches[branch.part].request = nullptr;
  branch.whole = nullptr;
  branch.owner = nullptr;
  branch.in_owner = false;
  worker_->context().requests.ReleaseIfUnused(&branch);
}

// The last of its replies is here, or will never come.
void Session::EndBranch(Request& branch) {
  Request& whole = *branch.whole;
  whole.AddTimesOf(branch, worker_->context().NowNs());
  --on_links_;
  LeaveRoute(branch);
  DetachBranch(branch);
}

// The session is gone: whatever still comes is swallowed.
void Session::ForgetFanned(Request& whole) {
  for (const FannedRun::Branch& branch : RunOf(whole).branches) {
    if (branch.request != nullptr) DetachBranch(*branch.request);
  }
}

// ---- what comes

void Session::OnBranchReply(Request& branch, Chunk* chunk, std::string_view bytes, uint32_t frames,
                            bool error) {
  Request& whole = *branch.whole;
  FannedRun& run = RunOf(whole);
  if (!routes_->detours.empty()) [[unlikely]] {
    for (uint32_t n = branch.replies - frames; n < branch.replies; ++n) {
      NoteOvertaken(run.positions[PositionOf(run, branch, n)].slot, branch.retryable);
    }
  }
  if (error) whole.errors += frames;
  whole.reply_bytes += bytes.size();
  run.branches[branch.part].replies.Append(chunk, bytes);
  run.waiting_bytes += bytes.size();
  run.missing -= frames;
  HoldBytes(bytes.size());
  const bool last = branch.remaining() == 0;
  Link* const link = branch.link;
  if (last) EndBranch(branch);
  SettleFanned(whole, /*in_part=*/frames == 0);
  if (out_.bytes() > worker_->output_pause_bytes()) CheckOutput(link);
}

// The `n` oldest of its requests that are not answered will get no reply but `line`.
void Session::FailBranch(Request& branch, uint32_t n, std::string_view line) {
  Request& whole = *branch.whole;
  FannedRun& run = RunOf(whole);
  whole.errors += n;
  NoteError(whole, line, n);
  run.missing -= n;
  if (branch.reply_begun) {
    // Its end will never come, and nothing can be said in its place.
    run.cut = true;
    whole.close_after = true;
    SetPause(Pause::kEnding);
    return;
  }
  const std::string reply = Concat(line, "\r\n");
  for (uint32_t i = 0; i < n; ++i) {
    run.branches[branch.part].replies.AppendCopy(worker_->context().chunks, reply);
  }
  const size_t bytes = n * reply.size();
  whole.reply_bytes += bytes;
  run.waiting_bytes += bytes;
  HoldBytes(bytes);
}

// Its node has refused the last one answered; `line` says where it goes instead, or when.
void Session::RerouteFromBranch(Request& branch, std::string_view line) {
  if (branch.count == 1) {
    MakeDetour(branch, line, /*own=*/false);
    return;
  }
  MakeDetour(*SplitOff(branch, branch.replies - 1), line, /*own=*/false);
  if (branch.remaining() == 0) EndBranch(branch);
}

// What is left of it came back from a broken connection.
void Session::HandBackBranch(Request& branch, std::string_view line) {
  for (uint32_t n = branch.replies; n < branch.count; ++n) {
    OnHandedBack(*SplitOff(branch, n), line);
  }
  EndBranch(branch);
}

// ---- what is said

void Session::SettleFanned(Request& whole, bool in_part) {
  FannedRun& run = RunOf(whole);
  if (run.missing == 0) return Finish(whole);
  if (&whole != head_) return;
  if (in_part || run.waiting_bytes >= FannedRun::kSaidEarlyBytes) {
    SayFanned(whole);
    Schedule();
  }
  HoldReplies();
}

// Those of the head that are there wait for the others, for a while.
void Session::HoldReplies() {
  if (RunOf(*head_).waiting_bytes == 0 || routes_->held_since_ns != 0) return;
  routes_->held_since_ns = worker_->context().NowNs();
  if (std::exchange(routes_->in_held_replies, true)) return;
  worker_->held_replies().Add(this);
}

bool Session::SayHeld() {
  const uint64_t since_ns = routes_->held_since_ns;
  routes_->in_held_replies = since_ns != 0;
  if (since_ns == 0) return false;
  if (worker_->context().NowNs() - since_ns < HeldReplies::kHeldMs * 1'000'000) return true;
  SayFanned(*head_);
  Schedule();
  routes_->in_held_replies = false;
  return false;
}

// Moves those replies to the output that are next. REQUIRES: it is the head.
void Session::SayFanned(Request& whole) {
  FannedRun& run = RunOf(whole);
  const size_t waiting = run.waiting_bytes;
  routes_->held_since_ns = 0;
  do {
    if (!run.scanner.has_value()) SayCopied(run);
  } while (run.said < run.count && SayOne(run));
  held_bytes() -= waiting - run.waiting_bytes;
}

// As much as there is of the next one, without a copy. False: that is not all of it.
bool Session::SayOne(FannedRun& run) {
  SliceQueue& replies = run.branches[run.positions[run.said].branch].replies;
  while (!replies.empty()) {
    if (!run.scanner.has_value()) run.scanner.emplace(kAnyVersion);
    const Slice& front = replies.front();
    const FrameScanner::Result result = run.scanner->Scan(front.view());
    out_.Append(front.chunk(), front.view().substr(0, result.consumed));
    run.waiting_bytes -= result.consumed;
    replies.Consume(result.consumed);
    if (result.status == ScanStatus::kNeedMore) continue;
    run.scanner.reset();
    ++run.said;
    return true;
  }
  return false;
}

// All that is there up to the next large or unusual one: many small pieces are better one piece.
void Session::SayCopied(FannedRun& run) {
  const size_t room = std::min(run.waiting_bytes, FannedRun::kSaidEarlyBytes);
  if (room == 0) return;
  const ChunkRef into = worker_->SharedChunk(room);
  char* const begin = into->tail();
  const char* const room_end = begin + room;
  char* end = begin;
  absl::InlinedVector<RepliesAhead, 8> ahead;
  for (FannedRun::Branch& branch : run.branches) ahead.emplace_back(&branch.replies);
  uint32_t said = run.said;
  for (; said < run.count; ++said) {
    RepliesAhead& next = ahead[run.positions[said].branch];
    const size_t bytes = next.Bytes();
    if (bytes == 0 || bytes > FannedRun::kCopiedReplyBytesMax ||
        bytes > static_cast<size_t>(room_end - end)) {
      break;
    }
    std::memcpy(end, next.at, bytes);
    end += bytes;
    next.at += bytes;
  }
  run.said = said;
  for (RepliesAhead& next : ahead) next.Consume();
  const auto bytes = static_cast<size_t>(end - begin);
  into->used += static_cast<uint32_t>(bytes);
  run.waiting_bytes -= bytes;
  out_.Append(into.get(), {begin, bytes});
}

}  // namespace weir
