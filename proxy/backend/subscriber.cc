// What a worker subscribes to: wishes of clients, and the commands that fulfil them.
#include "proxy/backend/subscriber.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// In Verb's and ChannelKind's order.
constexpr std::string_view kCommandNames[2][kChannelKinds] = {
    {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"},
    {"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"},
};

// Of the choice of a node; as many are tried to find another than the one that failed.
constexpr uint32_t kTurnsMax = 64;

}  // namespace

Subscriber::Subscriber(LoopContext* context, Upstream* upstream, SubscriptionCounts* counts,
                       LinkKey key, size_t message_bytes_max)
    : Subscriber(context, upstream, counts, std::move(key), message_bytes_max, nullptr, Node()) {}

Subscriber::Subscriber(LoopContext* context, Upstream* upstream, SubscriptionCounts* counts,
                       LinkKey key, size_t message_bytes_max, SlotNeighbours* neighbours, Node node)
    : context_(context),
      upstream_(upstream),
      counts_(counts),
      key_(std::move(key)),
      message_bytes_max_(message_bytes_max),
      neighbours_(neighbours),
      node_(std::move(node)),
      link_(context, this, &upstream->config(), key_, message_bytes_max),
      used_ms_(context->NowMs()) {
  push_byte_ = ChunkRef(context->chunks.TakeSmall(1));
  push_byte_->data()[0] = '>';
  push_byte_->used = 1;
}

Subscriber::~Subscriber() {
  for (ChannelMap& map : channels_) {
    for (auto& [name, channel] : map) SetHeld(channel.get(), false);
  }
}

// ---- channels

Channel* Subscriber::Find(ChannelKind kind, std::string_view name) {
  const ChannelMap& map = channels_[static_cast<size_t>(kind)];
  const auto at = map.find(name);
  return at == map.end() ? nullptr : at->second.get();
}

Channel* Subscriber::FindOrMake(ChannelKind kind, std::string_view name) {
  if (Channel* known = Find(kind, name)) return known;
  auto channel = std::make_unique<Channel>();
  channel->subscriber = this;
  channel->kind = kind;
  channel->name = std::string(name);
  Channel* const raw = channel.get();
  if (of_slots()) {
    raw->slot = upstream_->snapshot().topology->SlotOf(name);
    by_slot_[raw->slot].insert(raw);
  }
  channels_[static_cast<size_t>(kind)].emplace(raw->name, std::move(channel));
  return raw;
}

void Subscriber::EraseIfUnused(Channel* channel) {
  if (channel->wanted() || channel->held || channel->in_flight != 0) return;
  ForgetChannel(channel);
}

void Subscriber::ForgetChannel(Channel* channel) {
  ListenForEvents(channel, false);
  if (of_slots()) {
    const auto at = by_slot_.find(channel->slot);
    at->second.erase(channel);
    if (at->second.empty()) by_slot_.erase(at);
  }
  channels_[static_cast<size_t>(channel->kind)].erase(std::string_view(channel->name));
}

void Subscriber::SetHeld(Channel* channel, bool held) {
  if (channel->held == held) return;
  channel->held = held;
  const int64_t n = held ? 1 : -1;
  (channel->kind == ChannelKind::kPattern ? context_->stats.subscribed_patterns
                                          : context_->stats.subscribed_channels)
      .Add(n);
  counts_->Add(channel->kind, channel->name, 0, n);
}

bool Subscriber::unused() const {
  return waiting_.empty() &&
         std::all_of(channels_.begin(), channels_.end(), [](const ChannelMap& map) {
           return std::none_of(map.begin(), map.end(),
                               [](const auto& entry) { return entry.second->wanted(); });
         });
}

// ---- wishes

Subscriber::WishPtr Subscriber::Want(SubscriptionClient* client, ChannelKind kind,
                                     const std::vector<std::string_view>& names) {
  auto wish = std::make_shared<Wish>();
  wish->client = client;
  used_ms_ = wish->since_ms = context_->NowMs();
  const int64_t timeout_ms = upstream_->config().request_timeout_ms;
  if (timeout_ms != 0) {
    // Where a slot may change its node, the silence of one of them is not the end.
    const uint64_t more_ms = of_slots() ? PatienceMs() : 0;
    wish->deadline_ms = wish->since_ms + static_cast<uint64_t>(timeout_ms) + more_ms;
  }
  for (const std::string_view name : names) {
    Channel* channel = FindOrMake(kind, name);
    ++channel->wishes;
    wish->channels.push_back(channel);
  }
  if (const Node* node = At()) link_.Open(*node);
  Evaluate(wish);
  if (!wish->settled) {
    wish->at = waiting_.insert(waiting_.end(), wish);
    wish->listed = true;
  }
  return wish;
}

void Subscriber::Drop(const WishPtr& wish) {
  wish->client = nullptr;
  std::vector<Channel*> channels = std::exchange(wish->channels, {});
  Subscriber* const here = channels.front()->subscriber;
  for (Channel* channel : channels) --channel->wishes;
  if (!wish->settled) {
    // Whoever else waits for the same command asks for itself if it is refused.
    wish->settled = true;
    here->Unlist(wish);
  }
  here->ReleaseUnwanted(nullptr, channels);
}

// Settles the wish if all of its channels are held, or waits for the command that makes them so,
// which is sent if none was.
void Subscriber::Evaluate(const WishPtr& wish) {
  if (wish->settled) return;
  uint64_t last = 0;
  std::vector<Channel*> missing;
  for (Channel* channel : wish->channels) {
    // Were it left and asked for again just now, messages in between would be missed.
    if (channel->held && channel->asked && channel->in_flight == 0) continue;
    if (channel->asked) {
      last = std::max(last, channel->last_command);
    } else {
      missing.push_back(channel);
    }
  }
  if (missing.empty() && last == 0) {
    if (FeedsHave(wish->channels)) return Settle(wish, "");
    wait_for_feeds_.push_back(wish);
    return;
  }
  if (!link_.ready()) {
    if (down_since_ms_ != 0 && context_->NowMs() - down_since_ms_ >= PatienceMs()) {
      return Settle(wish, DownLine());
    }
    stranded_.push_back(wish);
    return;
  }
  if (missing.empty()) {
    commands_[last - first_command_].waiting.push_back(wish);
    return;
  }
  const ChannelKind kind = missing.front()->kind;
  Command& command = SendCommand(Verb::kSubscribe, kind, std::move(missing));
  command.owner = wish;
  command.waiting.push_back(wish);
}

void Subscriber::Settle(const WishPtr& wish, std::string_view error) {
  if (wish->settled) return;
  wish->settled = true;
  wish->error = std::string(error);
  Unlist(wish);
  if (wish->client != nullptr) wish->client->OnSettled();
}

void Subscriber::Unlist(const WishPtr& wish) {
  if (std::exchange(wish->listed, false)) waiting_.erase(wish->at);
}

const UpstreamConfig& Subscriber::config() const { return upstream_->config(); }

// How long a wish waits for a connection: where a slot may change its node, as long as any request.
uint64_t Subscriber::PatienceMs() const {
  const UpstreamConfig& config = upstream_->config();
  return static_cast<uint64_t>(of_slots() ? config.retry_budget_ms
                                          : config.offline_queue_age_max_ms);
}

std::string Subscriber::DownLine() const {
  return Concat("-DOWN weir: no connection to ", link_.address(), ": ",
                cause_.empty() ? std::string_view("not connected") : std::string_view(cause_));
}

// ---- commands

Subscriber::Command& Subscriber::SendCommand(Verb verb, ChannelKind kind,
                                             std::vector<Channel*> channels) {
  Command& command = commands_.emplace_back();
  const uint64_t number = first_command_ + commands_.size() - 1;
  command.verb = verb;
  command.kind = kind;
  command.restores = false;
  command.sent_ms = context_->NowMs();
  std::string request;
  if (verb == Verb::kPing) {
    AppendRequest(&request, {"PING"});
  } else {
    // Each once, as each gets one acknowledgement.
    std::erase_if(channels, [number](Channel* channel) {
      return std::exchange(channel->last_command, number) == number;
    });
    AppendRequestHeader(&request, channels.size() + 1);
    AppendRequestArg(&request, kCommandNames[static_cast<size_t>(verb)][static_cast<size_t>(kind)]);
    for (Channel* channel : channels) {
      AppendRequestArg(&request, channel->name);
      channel->asked = verb == Verb::kSubscribe;
      ++channel->in_flight;
    }
    // What Redis says of its own accord looks like an acknowledgement, so something else must end
    // it.
    command.fenced = of_slots() && verb == Verb::kUnsubscribe;
    if (command.fenced) AppendRequest(&request, {"PING"});
  }
  command.channels = std::move(channels);
  link_.Send(request);
  for (Channel* channel : command.channels) ListenForEvents(channel, channel->asked);
  return command;
}

// The oldest command has had its last reply; `error` is that of a refusal, with its '-'.
void Subscriber::EndCommand(std::string_view error) {
  Command command = std::move(commands_.front());
  commands_.pop_front();
  const uint64_t number = first_command_++;
  for (Channel* channel : command.channels) {
    --channel->in_flight;
    // Refused: what was before stays, unless a later command says otherwise.
    if (!error.empty() && channel->last_command == number) channel->asked = channel->held;
    // The node may have taken back what it gave, before it had given all.
    if (of_slots() && channel->in_flight == 0 && !channel->held) channel->asked = false;
  }
  const bool again = !error.empty() && of_slots() && TakeRefusal(command, error);
  if (!error.empty() && !again) {
    if (command.restores) OnRestoreRefused(command);
    if (command.owner != nullptr) Settle(command.owner, error);
  }
  for (const WishPtr& wish : command.waiting) {
    if (wish->channels.empty()) {
      Settle(wish, "");
    } else if (!again) {
      Evaluate(wish);
    } else if (!wish->settled) {
      RetryOrGiveUp(wish, error);
    }
  }
  // Those that became unwanted while they were asked for.
  if (command.verb == Verb::kSubscribe) {
    ReleaseUnwanted(nullptr, command.channels);
  } else {
    for (Channel* channel : command.channels) EraseIfUnused(channel);
  }
}

// What was allowed before is so no more. Redis closes the clients whose rights were taken away.
void Subscriber::OnRestoreRefused(Command& command) {
  if (command.channels.size() > 1) {
    // Which of them is it?
    for (Channel* channel : command.channels) {
      if (!channel->asked && channel->client_count() != 0)
        SendCommand(Verb::kSubscribe, command.kind, {channel}).restores = true;
    }
    return;
  }
  for (const Channel* channel : command.channels) LoseClientsOf(*channel);
}

// ---- clients

void Subscriber::Join(Channel* channel, SubscriptionClient* client, int protocol_version) {
  channel->clients[protocol_version == 3 ? 1 : 0].insert(client);
  counts_->Add(channel->kind, channel->name, 1, 0);
}

void Subscriber::Leave(Channel* channel, SubscriptionClient* client) {
  if (channel->clients[0].erase(client) + channel->clients[1].erase(client) == 0) return;
  counts_->Add(channel->kind, channel->name, -1, 0);
}

Subscriber::WishPtr Subscriber::ReleaseUnwanted(SubscriptionClient* client,
                                                const std::vector<Channel*>& channels) {
  std::vector<Channel*> leaving;
  std::vector<Channel*> unused;
  for (Channel* channel : channels) {
    if (channel->wanted()) continue;
    (link_.ready() && channel->asked ? leaving : unused).push_back(channel);
  }
  // Named twice, it is erased once.
  std::sort(unused.begin(), unused.end());
  unused.erase(std::unique(unused.begin(), unused.end()), unused.end());
  for (Channel* channel : unused) EraseIfUnused(channel);
  if (leaving.empty()) return nullptr;
  const ChannelKind kind = leaving.front()->kind;
  Command& command = SendCommand(Verb::kUnsubscribe, kind, std::move(leaving));
  if (client == nullptr) return nullptr;
  auto wish = std::make_shared<Wish>();
  wish->client = client;
  wish->since_ms = context_->NowMs();
  command.waiting.push_back(wish);
  return wish;
}

void Subscriber::SwitchProtocol(Channel* channel, SubscriptionClient* client,
                                int protocol_version) {
  const size_t to = protocol_version == 3 ? 1 : 0;
  if (channel->clients[1 - to].erase(client) != 0) channel->clients[to].insert(client);
}

Subscriber::WishPtr Subscriber::Fence(SubscriptionClient* client) {
  if (!link_.ready()) return nullptr;
  auto wish = std::make_shared<Wish>();
  wish->client = client;
  wish->since_ms = context_->NowMs();
  SendCommand(Verb::kPing, ChannelKind::kChannel, {}).waiting.push_back(wish);
  return wish;
}

// ---- time

void Subscriber::FailWaiting(uint64_t now_ms) {
  const uint64_t age_max_ms = PatienceMs();
  bool any = false;
  // The oldest first, so the first that may wait ends it.
  while (!waiting_.empty()) {
    const WishPtr wish = waiting_.front();
    if (!link_.ready() && now_ms - wish->since_ms >= age_max_ms) {
      if (down_since_ms_ == 0) down_since_ms_ = wish->since_ms;
      Settle(wish, DownLine());
    } else if (wish->deadline_ms != 0 && now_ms >= wish->deadline_ms) {
      context_->stats.requests_timed_out.Add();
      Settle(wish, Concat("-TIMEOUT weir: no answer from ", link_.address(), " in ",
                          upstream_->config().request_timeout_ms, " ms"));
    } else {
      break;
    }
    any = true;
  }
  const auto is_settled = [](const WishPtr& wish) { return wish->settled; };
  if (any) std::erase_if(stranded_, is_settled);
  std::erase_if(wait_for_feeds_, is_settled);
}

// The node to subscribe at: of a cluster any hears everything. Null: there is none.
const Node* Subscriber::At() const {
  if (of_slots()) return &node_;
  const MappedNode* node = upstream_->map().node(upstream_->MessageNode(counts_->turn()));
  return node == nullptr ? nullptr : &node->address;
}

// Another that hears everything, for all workers, since this one cannot be reached.
void Subscriber::TryAnotherNode() {
  const uint32_t turn = counts_->turn();
  const Node* at = At();
  if (at == nullptr) return;
  if (at->Address() == link_.address()) {
    const NodeIndex failed = upstream_->MessageNode(turn);
    uint32_t next = turn + 1;
    while (next - turn < kTurnsMax && upstream_->MessageNode(next) == failed) ++next;
    counts_->EndTurn(turn, next);
    at = At();
  }
  link_.GoOnAt(*at);
  TendFeeds();
}

void Subscriber::OnMapChanged() {
  if (of_slots()) return Review();
  if (const Node* node = At()) link_.Move(*node);
  TendFeeds();
}

void Subscriber::CloseIfIdle(uint64_t now_ms) {
  if (!unused()) used_ms_ = now_ms;
  if (link_.idle()) return;
  const auto idle_ms = static_cast<uint64_t>(upstream_->config().idle_link_timeout_ms);
  const bool idle = idle_ms != 0 && now_ms - used_ms_ > idle_ms;
  const MappedNode* node =
      of_slots() ? upstream_->map().node(upstream_->map().Find(node_)) : nullptr;
  const bool left = of_slots() && unused() && (node == nullptr || node->left);
  if (!idle && !left) return;
  link_.Close();
  std::deque<Command> commands;
  ForgetConnection(&commands);
  SettleForgotten(commands);
}

void Subscriber::OnTick(uint64_t now_ms) {
  std::erase_if(closed_feeds_, [](const auto& feed) { return feed->gone(); });
  const bool due = review_ms_ != 0 && now_ms >= review_ms_;
  if (due || !of_slots() || reviewed_epoch_ != upstream_->map().epoch()) OnMapChanged();
  link_.OnTick(now_ms);
  for (size_t i = 0; i < feeds_.size(); ++i) feeds_[i]->OnTick(now_ms);
  FailWaiting(now_ms);
  CloseIfIdle(now_ms);
  if (!link_.ready()) return;
  const UpstreamConfig& config = upstream_->config();
  const auto timeout_ms = static_cast<uint64_t>(config.request_timeout_ms);
  if (timeout_ms != 0 && !commands_.empty() &&
      std::max(commands_.front().sent_ms, link_.last_read_ms()) + timeout_ms <= now_ms) {
    return link_.Break(Concat("not a byte came in ", timeout_ms, " ms"));
  }
  const auto interval_ms = static_cast<uint64_t>(config.health_check_interval_ms);
  if (interval_ms != 0 && commands_.empty() &&
      now_ms - std::max(link_.last_read_ms(), last_ping_ms_) >= interval_ms) {
    last_ping_ms_ = now_ms;
    SendCommand(Verb::kPing, ChannelKind::kChannel, {});
  }
}

}  // namespace weir
