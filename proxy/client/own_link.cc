// A client's own connection to the node: taken for what cannot share one, given back when clean.
//
// From then on all that the client sends goes over it, so order holds as it does with Redis, until
// everything is answered and nothing is held any more (see pin.h). To change over, in either
// direction, the client's earlier requests must be answered first.
//
//   none --command that needs one--> opening --> held --all answered, nothing held--> none
//                                       |          |
//                            refused: error      broke: what was held is lost, and
//                                                  transaction   its EXEC gets EXECABORT
//                                                  watch         the next EXEC gets null, as if a
//                                                                watched key had been changed
//                                                  anything else the client is closed, as it would
//                                                                be by Redis
//
// What it holds cannot be rebuilt, so nothing is ever sent again on another connection.
#include "proxy/backend/call.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/cluster_tracking.h"
#include "proxy/client/lanes.h"
#include "proxy/client/routes.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"
#include "routing/plan.h"

namespace weir {

bool Session::TakeOwnLink(const LinkKey& key) {
  LinkGroup* group = worker_->UpstreamAt(upstream_).Hold(key);
  Link* link = key.tracker != 0 ? group->Shared(conversation_.id) : group->TakeExclusive();
  group->Release();
  if (link == nullptr) return false;
  if (pinned_ == nullptr) pinned_ = std::make_unique<Pinned>();
  pinned_->state = Pin();
  pinned_->upstream = upstream_;
  pinned_->served = false;
  pinned_->failure.clear();
  pinned_->at = link->key();
  own_link_ = link;
  if (routes_ != nullptr) routes_->pinned_slot = kNoSlot;
  link->SetHolder(this);
  link->Connect();
  return true;
}

// At the end of each turn: is it still needed?
void Session::SettleOwnLink() {
  const InLane in(this, pinned_->upstream);
  Pinned& pinned = *pinned_;
  if (!pinned.failure.empty() && own_link_ != nullptr) {
    // A request on it timed out: whatever it will do, it is done on its own.
    own_link_->CloseNow(pinned.failure);
    if (pinned_ == nullptr) return;
  }
  if (own_link_ == nullptr) return;
  const Pin& pin = pinned.state;
  if (pin.holds().any() && !pinned.at.SameClient(group_->key()) &&
      own_link_->state() == Link::State::kReady) {
    FollowConversation();
  }
  const bool asks = (pauses_ & static_cast<uint16_t>(Pause::kAsk)) != 0;
  const bool in_use = on_links_ != 0 || large() != nullptr || full_link() == own_link_ || asks;
  if (in_use || pin.holds().any()) {
    ShowPinReason(pin.reason());
  } else {
    GiveBackOwnLink();
  }
}

void Session::GiveBackOwnLink() {
  const InLane in(this, pinned_->upstream);
  Link* link = std::exchange(own_link_, nullptr);
  if (flow_ == link) flow_ = nullptr;
  const bool clean = pinned_->state.clean() && pinned_->at == link->key();
  if (link->key().tracker != 0) {
    // It stays the client's.
    if (!clean) link->CloseNow("-ERR weir: the link was closed");
  } else if (link->SetHolder(nullptr); link->state() != Link::State::kClosed) {
    LinkGroup* group = worker_->UpstreamAt(upstream_).Hold(link->key());
    group->GiveBack(link, clean);
    group->Release();
  }
  ShowPinReason(PinReason::kNone);
  if (!pinned_->lost.watch) pinned_.reset();
}

// Closes it and forgets all that it held.
void Session::DropOwnLink(std::string_view line) {
  Link* link = std::exchange(own_link_, nullptr);
  if (pinned_ == nullptr) return;
  const InLane in(this, pinned_->upstream);
  TellTarget();
  ShowPinReason(PinReason::kNone);
  pinned_.reset();
  if (link == nullptr) return;
  if (flow_ == link) flow_ = nullptr;
  if (link->key().tracker == 0) link->SetHolder(nullptr);
  link->CloseNow(line);
}

// A request of weir's own whose reply nobody hears.
void Session::SendOnOwnLink(std::initializer_list<std::string_view> args) {
  std::string bytes;
  AppendRequest(&bytes, args);
  LoopContext& context = worker_->context();
  Request* request = context.requests.Make();
  request->use = ReplyUse::kSwallow;
  request->received_ns = context.NowNs();
  const Slice wire = Slice::Copy(context.chunks, bytes);
  if (!own_link_->Send(request, wire.chunk(), wire.view())) {
    context.requests.ReleaseIfUnused(request);
  }
}

// The client has said SELECT, HELLO or AUTH while its connection holds something. The node has
// agreed to it elsewhere.
void Session::FollowConversation() {
  const LinkKey& to = group_->key();
  LinkKey& at = pinned_->at;
  if (at.protocol_version != to.protocol_version) {
    SendOnOwnLink({"HELLO", to.protocol_version == 3 ? "3" : "2"});
  }
  if (at.user != to.user || at.password != to.password) {
    if (to.user.empty()) {
      SendOnOwnLink({"AUTH", to.password});
    } else {
      SendOnOwnLink({"AUTH", to.user, to.password});
    }
  }
  if (at.no_touch != to.no_touch) {
    SendOnOwnLink({"CLIENT", "NO-TOUCH", to.no_touch ? "ON" : "OFF"});
  }
  if (at.db != to.db) SendOnOwnLink({"SELECT", std::to_string(to.db)});
  const NodeIndex node = at.node;
  at = to;
  at.node = node;
  pinned_->state.Taint();
}

// `reply`: the last that came of it; nothing of it may be looked at but of a short reply.
void Session::NoteOwnReplies(const Request& request, std::string_view reply, uint32_t frames,
                             bool error) {
  Pin& pin = pinned_->state;
  pinned_->served = true;
  if (error && reply.starts_with("-ERR unknown command ")) return pin.OnNotKnown(request.effect);
  if (request.effect == PinEffect::kUnknown && frames != 0) {
    const bool was_in_transaction = pin.holds().transaction;
    pin.OnUnknownReplied(reply, request.reply_bytes == reply.size(), error);
    if (was_in_transaction && !pin.holds().transaction) pinned_->deferred.reset();
    if (pin.holds().transaction && !error) pin.OnQueued(1);
    return;
  }
  for (uint32_t i = 0; i < frames; ++i) {
    const bool queues = pin.holds().transaction && !error;
    const bool had_watch_end =
        request.effect == PinEffect::kDiscard || (request.effect == PinEffect::kUnwatch && !queues);
    if (queues && request.effect != PinEffect::kExec) pin.OnQueued(1);
    pin.OnReplied(request.effect, request.effect_on, error);
    if (request.effect == PinEffect::kMulti && !error) pinned_->deferred.reset();
    if (request.effect == PinEffect::kTracking && !error && !queues) {
      pinned_->broadcast = request.effect_broadcast;
      pinned_->redirect_broken = false;
    }
    if (had_watch_end && !error) pinned_->lost.watch = false;
  }
}

void Session::NoteOwnLinkLost(std::string_view line) {
  // It has only heard that MULTI was accepted, and that can be begun again.
  if (multi() != nullptr && multi()->sent) return;
  if (!pinned_->failure.empty()) return;
  const bool watch_lost = pinned_->lost.watch;
  pinned_->failure = line;
  pinned_->lost = pinned_->state.expected();
  pinned_->lost.watch |= watch_lost;
  // If MULTI has had no answer, the client cannot know where it is. As with Redis itself, the end
  // of its connection tells it.
  if (pinned_->lost.transaction && !pinned_->state.holds().transaction) KillAfterReplies();
  Schedule();
}

void Session::OnOwnLinkGone(Link& gone, std::string_view /*line*/) {
  if (tracking() != nullptr && gone.key().tracker != 0) {
    std::erase(tracking()->links, &gone);
    CloseTrackedLink(&gone);
    tracking()->reach = tracking()->broadcast;
    if (!closed_) PushFlush();
    // It could never hear of all keys.
    if (tracking()->on && tracking()->broadcast && gone.refused()) KillAfterReplies();
  }
  if (&gone != own_link_) return;
  const InLane in(this, pinned_->upstream);
  Link* link = std::exchange(own_link_, nullptr);
  if (flow_ == link) flow_ = nullptr;
  TellTarget();
  if (closed_) return;
  ShowPinReason(PinReason::kNone);
  if (multi() != nullptr && multi()->sent) {
    multi()->sent = false;
    pinned_.reset();
    if (++multi()->breaks > DeferredMulti::kBreaksMax) {
      multi_place().reset();
      LoseTransaction(link->LossLine());
    }
    return;
  }
  // If it served nobody, its opening has failed, and the request that waits for it says so.
  const bool served = pinned_->served;
  NoteOwnLinkLost(link->LossLine());
  const PinHolds& lost = pinned_->lost;
  if (lost.tracking || lost.other) {
    KillAfterReplies();
  } else if (!lost.any() && served) {
    pinned_.reset();
  }
}

// Invalidations, and a replica's stream. The client's replies come over the same connection, so
// none of them can be half said now. If it does not read, neither does weir: Redis has its own
// bound.
void Session::OnPush(Chunk* chunk, std::string_view bytes) {
  if (tracking() != nullptr && !streaming_) return PushInvalidation(chunk, bytes);
  const PinHolds& held = pinned_->state.expected();
  const bool wanted = held.tracking || held.other || pinned_->state.holds().tracking;
  if (!wanted || (!streaming_ && !TakesPush(bytes))) return;
  if (streaming_ || !PushBrokenRedirect(bytes)) {
    const std::optional<std::string> other = streaming_ ? std::nullopt : PassPush(bytes);
    if (other.has_value()) {
      out_.AppendCopy(worker_->context().chunks, *other);
    } else {
      out_.Append(chunk, bytes);
    }
  }
  Schedule();
  if (out_.bytes() > worker_->output_pause_bytes() && paused_link() == nullptr) {
    SetPause(Pause::kOutput);
    own_link_->PauseReadingFor(this);
    extras().paused_link = own_link_;
  }
}

int64_t Session::OwnConnectionId() const {
  return own_link_ == nullptr ? 0 : own_link_->client_id();
}

bool Session::Unblock(bool with_error) {
  if (pinned_ == nullptr || own_link_ == nullptr || !pinned_->state.blocked()) return false;
  const InLane in(this, pinned_->upstream);
  std::string request;
  AppendRequest(&request, {"CLIENT", "UNBLOCK", std::to_string(own_link_->client_id()),
                           with_error ? "ERROR" : "TIMEOUT"});
  Upstream& upstream = worker_->UpstreamAt(upstream_);
  LinkKey key = group_->key();
  key.node = pinned_->at.node;
  key.tracker = 0;
  LinkGroup* group = upstream.Hold(key);
  CallUpstream(&worker_->context(), &upstream, group, std::move(request),
               /*retryable=*/false, [](std::string_view) {});
  group->Release();
  return true;
}

void Session::ShowPinReason(PinReason reason) {
  if (reason == pinned_->shown) return;
  WorkerStats& stats = worker_->context().stats;
  const auto count = [&stats](PinReason of, int64_t change) {
    switch (of) {
      case PinReason::kNone:
        return;
      case PinReason::kTransaction:
        return stats.pinned_transaction.Add(change);
      case PinReason::kWatch:
        return stats.pinned_watch.Add(change);
      case PinReason::kBlocked:
        return stats.pinned_blocked.Add(change);
      case PinReason::kTracking:
        return stats.pinned_tracking.Add(change);
      case PinReason::kOther:
        return stats.pinned_other.Add(change);
    }
  };
  count(pinned_->shown, -1);
  count(reason, 1);
  pinned_->shown = reason;
}

}  // namespace weir
