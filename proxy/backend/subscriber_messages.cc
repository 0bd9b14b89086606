// What a subscriber reads: replies to its commands, and messages, which go to all who want them.
#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/subscriber.h"
#include "proxy/backend/upstream.h"

namespace weir {
namespace {

using Type = PubsubFrame::Type;

// Channels of one command when all are subscribed to again.
constexpr size_t kRestoredAtOnceMax = 256;
// From here on two parts cost less than a copy.
constexpr size_t kCopiedMessageBytesMax = size_t{16} << 10;

}  // namespace

// ---- the connection

void Subscriber::OnLinkReady() {
  down_since_ms_ = 0;
  cause_.clear();
  last_ping_ms_ = context_->NowMs();
  Restore();
  for (const WishPtr& wish : std::exchange(stranded_, {})) Evaluate(wish);
}

// Subscribes again to all that clients have, or were told that they have.
void Subscriber::Restore() {
  if (of_slots()) return AskAgain();
  for (size_t i = 0; i < kChannelKinds; ++i) {
    const auto kind = static_cast<ChannelKind>(i);
    std::vector<Channel*> batch;
    for (const auto& [name, channel] : channels_[i]) {
      if (!channel->wanted()) continue;
      batch.push_back(channel.get());
      if (batch.size() == kRestoredAtOnceMax) RestoreThese(kind, &batch);
    }
    RestoreThese(kind, &batch);
  }
}

void Subscriber::RestoreThese(ChannelKind kind, std::vector<Channel*>* batch) {
  if (batch->empty()) return;
  SendCommand(Verb::kSubscribe, kind, std::exchange(*batch, {})).restores = true;
}

void Subscriber::OnLinkDown(std::string_view cause, bool was_ready, std::string_view refused) {
  FlushRun();
  cause_ = std::string(cause);
  if (!was_ready && down_since_ms_ == 0) down_since_ms_ = context_->NowMs();
  std::deque<Command> commands;
  if (ForgetConnection(&commands)) {
    context_->stats.subscriber_gaps.Add();
    if (upstream_->config().on_subscriber_loss == SubscriberLoss::kClose) LoseClients();
  }
  if (!refused.empty()) LoseClients();
  SettleForgotten(commands);
  if (!refused.empty()) {
    for (const WishPtr& wish : std::exchange(stranded_, {})) Settle(wish, refused);
  }
  // Nothing to open it again for.
  if (unused()) return link_.Close();
  if (!upstream_->is_cluster()) return;
  upstream_->WantRefresh(Concat("the subscriptions' connection to ", link_.address(), " failed"));
  const bool any_will_do = !of_slots() && upstream_->url().kind == UpstreamKind::kCluster;
  if (any_will_do && !was_ready) TryAnotherNode();
}

// What was asked for is asked for again, what was left is left.
void Subscriber::SettleForgotten(const std::deque<Command>& commands) {
  for (const Command& command : commands) {
    for (const WishPtr& wish : command.waiting) {
      if (wish->channels.empty()) {
        Settle(wish, "");
      } else if (!wish->settled) {
        stranded_.push_back(wish);
      }
    }
  }
}

// Nothing is held any more, and nothing under way. True if clients may miss messages now.
bool Subscriber::ForgetConnection(std::deque<Command>* commands) {
  bool gap = false;
  std::vector<Channel*> all;
  for (const ChannelMap& map : channels_) {
    for (const auto& [name, channel] : map) all.push_back(channel.get());
  }
  for (Channel* channel : all) {
    gap |= channel->held && channel->client_count() != 0;
    SetHeld(channel, false);
    channel->asked = false;
    channel->in_flight = 0;
  }
  *commands = std::exchange(commands_, {});
  first_command_ += commands->size();
  for (Channel* channel : all) EraseIfUnused(channel);
  return gap;
}

void Subscriber::LoseClients() {
  for (const ChannelMap& map : channels_) {
    for (const auto& [name, channel] : map) LoseClientsOf(*channel);
  }
}

void Subscriber::LoseClientsOf(const Channel& channel) {
  for (const auto& clients : channel.clients) {
    for (SubscriptionClient* client : clients) client->OnSubscriptionLost();
  }
}

// ---- frames

void Subscriber::OnReadEnd() {
  FlushRun();
  if (review_now_) Review();
  gap_noted_ = false;
}

void Subscriber::OnFrame(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes) {
  if (frame.type == Type::kMessage) [[likely]] {
    TakeMessage(frame, chunk, bytes);
  } else if (frame.type != Type::kOther) {
    FlushRun();
    TakeReply(frame, bytes);
  }
}

void Subscriber::TakeReply(const PubsubFrame& frame, std::string_view bytes) {
  const auto out_of_step = [this] {
    context_->stats.links_protocol_errors.Add();
    link_.Break("the server sent a reply that nobody asked for");
  };
  if (of_slots() && frame.type == Type::kUnsubscribed) return TakeLeft(frame);
  if (commands_.empty()) return out_of_step();
  Command& command = commands_.front();
  if (command.fenced && frame.type != Type::kSubscribed) return TakeFencedReply(frame, bytes);
  if (frame.type == Type::kError) {
    return EndCommand(bytes.substr(0, bytes.find_first_of("\r\n")));
  }
  if (command.verb == Verb::kPing) {
    return frame.type == Type::kPong ? EndCommand("") : out_of_step();
  }
  const Type expected = command.verb == Verb::kSubscribe ? Type::kSubscribed : Type::kUnsubscribed;
  Channel* channel = command.channels[command.acknowledged];
  if (frame.type != expected || frame.kind != command.kind || frame.name != channel->name) {
    return out_of_step();
  }
  SetHeld(channel, command.verb == Verb::kSubscribe);
  if (++command.acknowledged == command.channels.size()) EndCommand("");
}

void Subscriber::TakeMessage(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes) {
  const bool goes_on = run_channel_ != nullptr && run_.data() + run_.size() == bytes.data() &&
                       run_channel_->kind == frame.kind && run_channel_->name == frame.name;
  if (goes_on) {
    run_ = {run_.data(), run_.size() + bytes.size()};
  } else {
    FlushRun();
    run_channel_ = Find(frame.kind, frame.name);
    if (run_channel_ == nullptr) return;
    run_chunk_ = chunk;
    run_ = bytes;
  }
  run_starts_.push_back(static_cast<size_t>(bytes.data() - run_.data()));
}

// Hands on what has gathered for one channel.
void Subscriber::FlushRun() {
  Channel* const channel = std::exchange(run_channel_, nullptr);
  if (channel == nullptr) return;
  const auto messages = static_cast<uint32_t>(run_starts_.size());
  WorkerStats& stats = context_->stats;
  stats.messages_received.Add(messages);
  stats.messages_delivered.Add(messages * channel->client_count());
  stats.message_bytes_shared.Add(run_.size() * channel->client_count());
  for (SubscriptionClient* client : channel->clients[0]) {
    client->OnMessages(run_chunk_, run_, messages);
  }
  if (!channel->clients[1].empty()) {
    run_channel_ = channel;
    HandOnToResp3(messages);
    run_channel_ = nullptr;
  }
  run_starts_.clear();
}

void Subscriber::HandOnToResp3(uint32_t messages) {
  const auto& clients = run_channel_->clients[1];
  if (run_channel_->clients[0].empty()) {
    // Nobody has seen these bytes yet.
    char* const begin = run_chunk_->data() + (run_.data() - run_chunk_->data());
    for (const size_t start : run_starts_) begin[start] = '>';
    for (SubscriptionClient* client : clients) client->OnMessages(run_chunk_, run_, messages);
    return;
  }
  if (messages == 1 && run_.size() > kCopiedMessageBytesMax) {
    const Slice head(push_byte_.get(), {push_byte_->data(), 1});
    const Slice rest(run_chunk_, run_.substr(1));
    for (SubscriptionClient* client : clients) client->OnMessage(head, rest);
    return;
  }
  const Slice copy = Slice::Copy(context_->chunks, run_);
  context_->stats.message_bytes_copied.Add(run_.size());
  char* const begin = copy.chunk()->data() + (copy.data() - copy.chunk()->data());
  for (const size_t start : run_starts_) begin[start] = '>';
  for (SubscriptionClient* client : clients) {
    client->OnMessages(copy.chunk(), copy.view(), messages);
  }
}

// Nobody may have that much unread, so it would close each of them.
void Subscriber::OnFrameTooLarge(const PubsubFrame& frame) {
  FlushRun();
  if (frame.type != Type::kMessage) return link_.Break("the server sent too long a reply");
  const Channel* channel = Find(frame.kind, frame.name);
  if (channel == nullptr) return;
  for (const auto& clients : channel->clients) {
    for (SubscriptionClient* client : clients) client->OnMessageTooLarge();
  }
}

}  // namespace weir
