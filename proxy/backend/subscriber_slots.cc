// Shard channels of a cluster: each at the node that serves its slot, wherever that goes.
//
// There is a subscriber for each node that has such channels. That a slot has moved is learnt from
// the map, from the node itself, which unsubscribes everybody from the slot's channels and says so
// without having been asked, or from its MOVED to a later SSUBSCRIBE, which is followed at once.
// Then all channels of the slot go over to the other node's subscriber, in one step, with the
// clients that listen and the wishes that wait; a wish for channels of several slots is one wish
// for each, so none is torn apart. At the new node they are asked for anew.
//
// What was on its way to or from the old node stays there, as stubs: channels that nobody wants,
// which take the replies that are still to come, and are unsubscribed from if they were held. So no
// message comes twice. What is published between the two nodes' turns is lost, as it is to a client
// of the cluster's own: a gap.
//
// SUNSUBSCRIBE has a PING behind it. Its acknowledgements look like what the node says when the
// slot has just moved, and then MOVED is still to come; PONG is the end of either.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "plugins/text.h"
#include "proxy/backend/subscriber.h"
#include "proxy/backend/upstream.h"
#include "routing/redirect.h"

namespace weir {
namespace {

using Type = PubsubFrame::Type;

// Between two questions where the nodes do not agree yet, or the cluster is down.
constexpr uint64_t kPauseMs = 50;

bool IsAt(const Node& a, const Node& b) { return a.host == b.host && a.port == b.port; }

bool IsOf(uint16_t slot, const Subscriber::WishPtr& wish) {
  return wish != nullptr && !wish->channels.empty() && wish->channels.front()->slot == slot;
}

}  // namespace

bool Subscriber::has_slot(uint16_t slot) const {
  const auto at = by_slot_.find(slot);
  return at != by_slot_.end() &&
         std::any_of(at->second.begin(), at->second.end(),
                     [](const Channel* channel) { return channel->wanted(); });
}

// ---- what the node says

// The node has refused to subscribe. True: this is not its slot, or not now, so it is asked again,
// or another.
bool Subscriber::TakeRefusal(const Command& command, std::string_view error) {
  const Redirect redirect = ParseRedirect(error, /*from_script=*/false);
  if (command.verb != Verb::kSubscribe || redirect.refusal == Refusal::kNone) return false;
  upstream_->WantRefresh(error);
  if (redirect.refusal == Refusal::kMoved) {
    const NodeIndex to = upstream_->NodeOf(redirect, upstream_->map().Find(node_));
    if (to != kNoNode) upstream_->Patch(redirect.slot, to);
    ReviewSoon(command.channels.front());
  } else {
    review_ms_ = context_->NowMs() + kPauseMs;
  }
  return true;
}

// The node has said that the channel's slot is another's. That is followed at once, but nodes that
// send in circles are asked more slowly.
void Subscriber::ReviewSoon(Channel* channel) {
  const uint64_t now_ms = context_->NowMs();
  if (now_ms - channel->moved_ms >= kPauseMs) channel->hops = 0;
  channel->moved_ms = now_ms;
  if (++channel->hops <= kHopsMax) {
    review_now_ = true;
  } else {
    review_ms_ = now_ms + kPauseMs;
  }
}

void Subscriber::RetryOrGiveUp(const WishPtr& wish, std::string_view error) {
  const uint64_t now_ms = context_->NowMs();
  if (now_ms - wish->since_ms < PatienceMs()) {
    ++wish->resends;
    return stranded_.push_back(wish);
  }
  const RedirectHistory history{.resends = wish->resends, .first_refused_ms = wish->since_ms};
  Settle(wish, GiveUpLine(ParseRedirect(error, /*from_script=*/false), error, link_.address(),
                          history, now_ms));
}

bool Subscriber::IsLeaving(const Channel* channel) const {
  if (commands_.empty() || !commands_.front().fenced) return false;
  const Command& command = commands_.front();
  return std::find(command.channels.begin(), command.channels.end(), channel) !=
         command.channels.end();
}

// SUNSUBSCRIBE is acknowledged, or the slot is no longer the node's.
void Subscriber::TakeLeft(const PubsubFrame& frame) {
  Channel* const channel = Find(ChannelKind::kShard, frame.name);
  if (channel == nullptr) return;
  if (IsLeaving(channel)) {
    ++commands_.front().acknowledged;
    return SetHeld(channel, false);
  }
  if (!channel->held) return;
  SetHeld(channel, false);
  if (channel->in_flight == 0) channel->asked = false;
  NoteGap(channel);
  ReviewSoon(channel);
  upstream_->WantRefresh("a node has given up a slot with subscribers");
}

void Subscriber::TakeFencedReply(const PubsubFrame& frame, std::string_view bytes) {
  Command& command = commands_.front();
  if (frame.type == Type::kError) {
    const std::string_view line = bytes.substr(0, bytes.find_first_of("\r\n"));
    const bool redirects = ParseRedirect(line, /*from_script=*/false).refusal != Refusal::kNone;
    if (command.refused.empty() && (redirects || command.acknowledged < command.channels.size())) {
      command.refused = line;
      return;
    }
    // The PING's own: whoever may not ping has its answer, too.
  }
  const Redirect redirect = ParseRedirect(command.refused, /*from_script=*/false);
  // Who does not serve the slot has no subscribers to it. Whoever refuses for another reason has
  // them still, and is told again.
  const bool moved = redirect.refusal == Refusal::kMoved;
  if (moved) {
    for (Channel* channel : command.channels) SetHeld(channel, false);
  } else if (redirect.refusal != Refusal::kNone) {
    review_ms_ = context_->NowMs() + kPauseMs;
  }
  EndCommand(moved ? "" : std::string(command.refused));
}

// Its clients may miss messages now. What one read brings is one gap.
void Subscriber::NoteGap(Channel* channel) {
  if (channel->client_count() == 0) return;
  if (!std::exchange(gap_noted_, true)) context_->stats.subscriber_gaps.Add();
  if (upstream_->config().on_subscriber_loss == SubscriberLoss::kClose) LoseClientsOf(*channel);
}

// ---- slots that move

// Sends away what is another node's by now, and asks for what is not asked for.
void Subscriber::Review() {
  review_now_ = false;
  review_ms_ = 0;
  const NodeMap& map = upstream_->map();
  reviewed_epoch_ = map.epoch();
  std::vector<uint16_t> elsewhere;
  for (const auto& [slot, channels] : by_slot_) {
    const MappedNode* node = map.node(map.PrimaryOf(slot));
    if (node != nullptr && !IsAt(node->address, node_) && has_slot(slot)) elsewhere.push_back(slot);
  }
  absl::flat_hash_set<Subscriber*> takers;
  for (const uint16_t slot : elsewhere) {
    Subscriber* const to = neighbours_->SubscriberAt(*this, map.node(map.PrimaryOf(slot))->address);
    if (to == nullptr) {
      review_ms_ = context_->NowMs() + kPauseMs;
      continue;
    }
    GiveSlot(slot, to);
    takers.insert(to);
  }
  gap_noted_ = false;
  for (Subscriber* to : takers) to->AskAgain();
  AskAgain();
}

// Whoever listens or waits is served as soon as the node can be asked.
void Subscriber::AskAgain() {
  if (!link_.ready()) {
    if (!unused()) link_.Open(node_);
    return;
  }
  std::vector<Channel*> batch, unwanted;
  for (const auto& [slot, channels] : by_slot_) {
    for (Channel* channel : channels) {
      if (channel->wanted() && !channel->asked) batch.push_back(channel);
      if (!channel->wanted() && channel->held && channel->in_flight == 0) {
        unwanted.push_back(channel);
      }
    }
    RestoreThese(ChannelKind::kShard, &batch);
    ReleaseUnwanted(nullptr, std::exchange(unwanted, {}));
  }
  for (const WishPtr& wish : std::exchange(stranded_, {})) Evaluate(wish);
}

void Subscriber::GiveSlot(uint16_t slot, Subscriber* to) {
  ChannelMap& map = channels_[static_cast<size_t>(ChannelKind::kShard)];
  GiveWishes(slot, to);
  const absl::flat_hash_set<Channel*> all = by_slot_[slot];
  std::vector<Channel*> left_behind;
  for (Channel* channel : all) {
    if (!channel->wanted()) continue;
    if (channel->held) NoteGap(channel);
    const auto at = map.find(std::string_view(channel->name));
    std::unique_ptr<Channel> owned = std::move(at->second);
    map.erase(at);
    by_slot_[slot].erase(channel);
    if (Channel* stub = LeaveStub(channel)) left_behind.push_back(stub);
    channel->asked = channel->held = false;
    channel->in_flight = 0;
    channel->last_command = 0;
    to->Adopt(std::move(owned));
  }
  if (by_slot_[slot].empty()) by_slot_.erase(slot);
  ReleaseUnwanted(nullptr, left_behind);
}

// Takes the replies that are still to come, and is held if the channel was. Null: nothing is left.
Channel* Subscriber::LeaveStub(Channel* channel) {
  if (!channel->held && channel->in_flight == 0) return nullptr;
  auto stub = std::make_unique<Channel>();
  stub->subscriber = this;
  stub->kind = channel->kind;
  stub->slot = channel->slot;
  stub->asked = channel->asked;
  stub->held = channel->held;
  stub->in_flight = channel->in_flight;
  stub->last_command = channel->last_command;
  stub->name = channel->name;
  Channel* const raw = stub.get();
  ReplaceInCommands(channel, raw);
  by_slot_[raw->slot].insert(raw);
  channels_[static_cast<size_t>(raw->kind)].emplace(raw->name, std::move(stub));
  return raw;
}

// A stub of it may be here from the last time that the slot was.
void Subscriber::Adopt(std::unique_ptr<Channel> channel) {
  used_ms_ = context_->NowMs();
  channel->subscriber = this;
  if (Channel* stub = Find(channel->kind, channel->name)) {
    channel->asked = stub->asked;
    channel->held = stub->held;
    channel->in_flight = stub->in_flight;
    channel->last_command = stub->last_command;
    ReplaceInCommands(stub, channel.get());
    ForgetChannel(stub);
  }
  by_slot_[channel->slot].insert(channel.get());
  ChannelMap& map = channels_[static_cast<size_t>(channel->kind)];
  const std::string_view name = channel->name;
  map.emplace(name, std::move(channel));
}

void Subscriber::ReplaceInCommands(Channel* before, Channel* now) {
  if (now->in_flight == 0) return;
  for (Command& command : commands_) {
    std::replace(command.channels.begin(), command.channels.end(), before, now);
  }
}

void Subscriber::GiveWishes(uint16_t slot, Subscriber* to) {
  for (Command& command : commands_) {
    std::erase_if(command.waiting, [slot](const WishPtr& wish) { return IsOf(slot, wish); });
    if (IsOf(slot, command.owner)) command.owner = nullptr;
  }
  std::erase_if(stranded_, [slot](const WishPtr& wish) { return IsOf(slot, wish); });
  std::vector<WishPtr> moving;
  std::copy_if(waiting_.begin(), waiting_.end(), std::back_inserter(moving),
               [slot](const WishPtr& wish) { return IsOf(slot, wish); });
  for (const WishPtr& wish : moving) {
    Unlist(wish);
    to->AdoptWish(wish);
  }
}

// To be evaluated when it has all of its channels.
void Subscriber::AdoptWish(const WishPtr& wish) {
  const auto later = std::find_if(waiting_.begin(), waiting_.end(), [&](const WishPtr& other) {
    return other->since_ms > wish->since_ms;
  });
  wish->at = waiting_.insert(later, wish);
  wish->listed = true;
  stranded_.push_back(wish);
}

}  // namespace weir
