#include "proxy/client/subscriptions.h"

#include <algorithm>
#include <utility>

#include "plugins/chain.h"
#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/lanes.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"
#include "routing/glob.h"

namespace weir {
namespace {

// In ChannelKind's order.
constexpr std::string_view kSubscribed[] = {"subscribe", "psubscribe", "ssubscribe"};
constexpr std::string_view kUnsubscribed[] = {"unsubscribe", "punsubscribe", "sunsubscribe"};

bool AllSettled(const std::vector<Subscriber::WishPtr>& wishes) {
  return std::all_of(wishes.begin(), wishes.end(),
                     [](const Subscriber::WishPtr& wish) { return wish->settled; });
}

}  // namespace

std::string TooManySubscriptionsLine(size_t max) {
  return Concat("-ERR weir: a client may subscribe to no more than ", max,
                " channels and patterns (client_subscriptions_max)");
}

Subscriptions::Subscriptions(Session* session) : session_(session) {}

Subscriptions::~Subscriptions() {
  for (Command& command : commands_) {
    for (const Subscriber::WishPtr& wish : command.wishes) {
      if (command.subscribes) Subscriber::Drop(wish);
      wish->client = nullptr;
    }
  }
  for (Fence& fence : fences_) {
    for (const Subscriber::WishPtr& wish : fence.wishes) wish->client = nullptr;
  }
  LeaveAll(nullptr);
}

size_t Subscriptions::count_max() const {
  size_t max = 0;
  for (const Command& command : commands_) {
    if (command.subscribes) max += command.names.size();
  }
  for (const Names& names : names_) max += names.size();
  return max;
}

// ---- commands

void Subscriptions::Subscribe(Request* request, bool silent, ChannelKind kind,
                              const std::vector<std::string_view>& names) {
  Command& command = commands_.emplace_back();
  command.request = request;
  command.kind = kind;
  command.subscribes = true;
  command.silent = silent;
  command.names.assign(names.begin(), names.end());
  if (session_->on_links_ == 0 && fences_.empty()) Want(command);
}

void Subscriptions::Want(Command& command) {
  command.begun = true;
  Worker& worker = *session_->worker_;
  const UpstreamIndex upstream = command.request->upstream;
  const InLane in(session_, upstream);
  Upstream& of = worker.UpstreamAt(upstream);
  SubscriptionCounts& counts = worker.CountsOf(upstream);
  LinkKey key = session_->group_->key();
  key.tracker = 0;
  const std::vector<std::string_view> names(command.names.begin(), command.names.end());
  const Topology& topology = *of.snapshot().topology;
  if (command.kind == ChannelKind::kShard && !topology.is_single() && !topology.is_replicated()) {
    command.wishes = worker.subscribers().WantShards(&of, &counts, key, this, names);
  } else if (Subscriber* subscriber = worker.subscribers().Get(&of, &counts, key)) {
    command.wishes.push_back(subscriber->Want(this, command.kind, names));
  }
  if (command.wishes.empty()) command.reply = worker.TooManyLinksLine(upstream) + "\r\n";
}

void Subscriptions::Unsubscribe(Request* request, bool silent, ChannelKind kind,
                                const std::vector<std::string_view>& names) {
  Command& command = commands_.emplace_back();
  command.request = request;
  command.kind = kind;
  command.subscribes = false;
  command.silent = silent;
  command.names.assign(names.begin(), names.end());
}

void Subscriptions::ChangeWithin(Request* exec, bool subscribes, ChannelKind kind,
                                 const std::vector<std::string_view>& names, std::string* reply) {
  if (subscribes) {
    Subscribe(exec, /*silent=*/false, kind, names);
  } else {
    Unsubscribe(exec, /*silent=*/false, kind, names);
  }
  commands_.back().within = reply;
  session_->Schedule();
}

void Subscriptions::Run() {
  EndFences();
  while (!commands_.empty() && commands_.front().request == session_->head_) {
    Command& command = commands_.front();
    if (!Perform(command)) break;
    Request* const request = command.request;
    std::string reply = std::move(command.reply);
    if (auto other = session_->PassPush(reply)) reply = *std::move(other);
    std::string* const within = command.within;
    if (within == nullptr) request->silent = command.silent && reply.starts_with('-');
    commands_.pop_front();
    if (within == nullptr) {
      session_->AnswerAt(request, reply);
    } else {
      *within = std::move(reply);
      const bool last = commands_.empty() || commands_.front().request != request;
      if (last) session_->FinishAwaited(*request);
    }
  }
  NoteSubscribed();
  if (!busy() && std::exchange(holds_input_, false)) session_->ClearPause(Pause::kAsk);
}

void Subscriptions::HoldInput() {
  holds_input_ = true;
  session_->SetPause(Pause::kAsk);
}

// False: it has to wait.
bool Subscriptions::Perform(Command& command) {
  if (!command.begun) command.subscribes ? Want(command) : Leave(command);
  if (!AllSettled(command.wishes)) return false;
  if (!command.subscribes || command.wishes.empty()) return true;
  const auto refused =
      std::find_if(command.wishes.begin(), command.wishes.end(),
                   [](const Subscriber::WishPtr& wish) { return !wish->error.empty(); });
  if (refused != command.wishes.end()) {
    command.reply = (*refused)->error + "\r\n";
  } else {
    Join(command);
  }
  for (const Subscriber::WishPtr& wish : command.wishes) Subscriber::Drop(wish);
  return true;
}

// In the order of the command, as often as it names them.
std::vector<Channel*> Subscriptions::ChannelsOf(const Command& command) {
  if (command.wishes.size() == 1) return command.wishes.front()->channels;
  absl::flat_hash_map<std::string_view, Channel*, NameHash> by_name;
  for (const Subscriber::WishPtr& wish : command.wishes) {
    for (Channel* channel : wish->channels) by_name.emplace(channel->name, channel);
  }
  std::vector<Channel*> channels;
  for (const std::string& name : command.names) channels.push_back(by_name.at(name));
  return channels;
}

void Subscriptions::Join(Command& command) {
  const int protocol_version = session_->conversation_.protocol_version;
  Names& names = names_[static_cast<size_t>(command.kind)];
  ReplyWriter reply(&command.reply, protocol_version);
  for (Channel* channel : ChannelsOf(command)) {
    if (names.try_emplace(channel->name, Joined{channel, joined_}).second) {
      ++joined_;
      channel->subscriber->Join(channel, this, protocol_version);
    }
    reply.PushHeader(3);
    reply.Bulk(kSubscribed[static_cast<size_t>(command.kind)]);
    reply.Bulk(channel->name);
    reply.Integer(
        static_cast<int64_t>(command.kind == ChannelKind::kShard
                                 ? count(ChannelKind::kShard)
                                 : count(ChannelKind::kChannel) + count(ChannelKind::kPattern)));
  }
}

void Subscriptions::Leave(Command& command) {
  command.begun = true;
  Names& names = names_[static_cast<size_t>(command.kind)];
  ReplyWriter reply(&command.reply, session_->conversation_.protocol_version);
  std::vector<Channel*> left;
  const auto say = [&](const std::string* name) {
    reply.PushHeader(3);
    reply.Bulk(kUnsubscribed[static_cast<size_t>(command.kind)]);
    name != nullptr ? reply.Bulk(*name) : reply.Null();
    reply.Integer(
        static_cast<int64_t>(command.kind == ChannelKind::kShard
                                 ? count(ChannelKind::kShard)
                                 : count(ChannelKind::kChannel) + count(ChannelKind::kPattern)));
  };
  const auto leave = [&](const std::string& name) {
    const auto at = names.find(name);
    if (at == names.end()) return;
    left.push_back(at->second.channel);
    names.erase(at);
  };
  if (!command.names.empty()) {
    for (const std::string& name : command.names) {
      leave(name);
      say(&name);
    }
  } else if (names.empty()) {
    say(nullptr);
  } else {
    for (Channel* channel : InOrder(command.kind)) {
      leave(channel->name);
      say(&channel->name);
    }
  }
  LeaveChannels(std::move(left), &command.wishes);
}

std::vector<Channel*> Subscriptions::InOrder(ChannelKind kind) const {
  std::vector<Joined> joined;
  for (const auto& [name, one] : names_[static_cast<size_t>(kind)]) joined.push_back(one);
  std::sort(joined.begin(), joined.end(),
            [](const Joined& a, const Joined& b) { return a.order < b.order; });
  std::vector<Channel*> channels;
  for (const Joined& one : joined) channels.push_back(one.channel);
  return channels;
}

// They are of one kind, and no more in names_. `wishes`: null, or gets what has to be waited for.
void Subscriptions::LeaveChannels(std::vector<Channel*> channels,
                                  std::vector<Subscriber::WishPtr>* wishes) {
  // Usually all are of one subscriber and slot; after an AUTH there may be several, and of a
  // cluster's shard channels.
  const auto place = [](const Channel* channel) {
    return std::pair(channel->subscriber, channel->slot);
  };
  std::stable_sort(channels.begin(), channels.end(),
                   [&](const Channel* a, const Channel* b) { return place(a) < place(b); });
  for (auto begin = channels.begin(); begin != channels.end();) {
    const auto end = std::find_if(begin, channels.end(), [&](const Channel* channel) {
      return place(channel) != place(*begin);
    });
    const std::vector<Channel*> its(begin, end);
    begin = end;
    Subscriber* const subscriber = its.front()->subscriber;
    for (Channel* channel : its) subscriber->Leave(channel, this);
    Subscriber::WishPtr wish = subscriber->ReleaseUnwanted(wishes == nullptr ? nullptr : this, its);
    if (wish != nullptr) wishes->push_back(std::move(wish));
  }
}

void Subscriptions::Reset(Request* request, std::string reply) {
  Fence fence = {request, {}, std::move(reply)};
  LeaveAll(&fence.wishes);
  resetting_ = true;
  fences_.push_back(std::move(fence));
  session_->Schedule();
}

void Subscriptions::LeaveAll(std::vector<Subscriber::WishPtr>* wishes) {
  for (size_t kind = 0; kind < kChannelKinds; ++kind) {
    std::vector<Channel*> channels = InOrder(static_cast<ChannelKind>(kind));
    names_[kind].clear();
    LeaveChannels(std::move(channels), wishes);
  }
  NoteSubscribed();
}

void Subscriptions::NoteSubscribed() {
  if (counted_ == subscribed()) return;
  counted_ = !counted_;
  session_->PlaySubscriber();
  session_->worker_->context().stats.subscribers.Add(counted_ ? 1 : -1);
}

void Subscriptions::SwitchProtocol(int protocol_version) {
  for (const Names& names : names_) {
    for (const auto& [name, joined] : names) {
      joined.channel->subscriber->SwitchProtocol(joined.channel, this, protocol_version);
    }
  }
}

void Subscriptions::OnSettled() { session_->Schedule(); }

// ---- what it publishes itself

bool Subscriptions::Hears(ChannelKind kind, std::string_view channel) const {
  if (names_[static_cast<size_t>(kind)].contains(channel)) return true;
  if (kind == ChannelKind::kShard) return false;
  const Names& patterns = names_[static_cast<size_t>(ChannelKind::kPattern)];
  return std::any_of(patterns.begin(), patterns.end(), [channel](const auto& pattern) {
    return MatchesGlob(pattern.first, channel, GlobCase::kExact);
  });
}

bool Subscriptions::Await(Request* request) {
  Fence fence = {request, {}, ""};
  std::vector<Subscriber*> asked;
  for (const Names& names : names_) {
    for (const auto& [name, joined] : names) {
      Subscriber* const subscriber = joined.channel->subscriber;
      if (std::find(asked.begin(), asked.end(), subscriber) != asked.end()) continue;
      asked.push_back(subscriber);
      Subscriber::WishPtr wish = subscriber->Fence(this);
      if (wish != nullptr) fence.wishes.push_back(std::move(wish));
    }
  }
  if (fence.wishes.empty()) return false;
  fences_.push_back(std::move(fence));
  return true;
}

void Subscriptions::EndFences() {
  while (!fences_.empty() && AllSettled(fences_.front().wishes)) {
    const Fence fence = std::move(fences_.front());
    fences_.erase(fences_.begin());
    if (fence.reply.empty()) {
      session_->FinishAwaited(*fence.request);
    } else {
      resetting_ = false;
      session_->AnswerAt(fence.request, fence.reply);
    }
  }
}

// ---- messages

SliceQueue& Subscriptions::Output() {
  const Request* head = session_->head_;
  const bool mid_reply =
      head != nullptr && head->reply_begun && !head->collect && !head->silent && !head->done;
  return mid_reply || !waiting_.empty() ? waiting_ : session_->out_;
}

void Subscriptions::OnReplySaid() {
  if (waiting_.empty()) return;
  SliceQueue messages = std::move(waiting_);
  waiting_ = SliceQueue();
  SliceQueue& to = Output();
  if (&to != &waiting_) {
    to.Append(std::move(messages));
  } else {
    waiting_ = std::move(messages);
  }
}

void Subscriptions::OnMessages(Chunk* chunk, std::string_view bytes, uint32_t) {
  if (lost_ != Lost::kNo) return;
  if (const auto other = session_->PassPush(bytes)) {
    Output().AppendCopy(session_->worker_->context().chunks, *other);
  } else {
    Output().Append(chunk, bytes);
  }
  CheckOutput();
}

void Subscriptions::OnMessage(const Slice& head, const Slice& rest) {
  if (lost_ != Lost::kNo) return;
  SliceQueue& to = Output();
  if (session_->worker_->chain().has(kHookPush)) [[unlikely]] {
    const std::string whole = Concat(head.view(), rest.view());
    const auto other = session_->PassPush(whole);
    to.AppendCopy(session_->worker_->context().chunks, other.has_value() ? *other : whole);
  } else {
    to.Append(head.Share());
    to.Append(rest.Share());
  }
  CheckOutput();
}

void Subscriptions::CheckOutput() {
  session_->Schedule();
  if (!session_->stream_.watches_write() && waiting_.empty()) [[likely]]
    return;
  // It does not keep up. Slices of few bytes must not keep whole chunks alive for long.
  SliceQueue& out = session_->out_;
  if (out.slices() > 2 * slices_compacted_ + kSlicesMin) {
    out.Compact(session_->worker_->context().chunks);
    slices_compacted_ = out.slices();
  }
  Sweep(NowMs());
}

void Subscriptions::Sweep(uint64_t now_ms) {
  const LimitsConfig& limits = session_->worker_->config().limits;
  const auto bytes = static_cast<int64_t>(session_->out_.bytes() + waiting_.bytes());
  if (bytes > limits.subscriber_output_buffer_bytes_max) return Lose(Lost::kOutput);
  if (bytes <= limits.subscriber_output_buffer_soft_bytes_max) {
    over_soft_since_ms_ = 0;
  } else if (over_soft_since_ms_ == 0) {
    over_soft_since_ms_ = now_ms;
  } else if (now_ms - over_soft_since_ms_ >
             static_cast<uint64_t>(limits.subscriber_output_buffer_soft_s) * 1000) {
    Lose(Lost::kOutput);
  }
}

void Subscriptions::OnSubscriptionLost() { Lose(Lost::kUpstream); }

void Subscriptions::Lose(Lost why) {
  if (lost_ != Lost::kNo) return;
  lost_ = why;
  session_->Schedule();
}

uint64_t Subscriptions::NowMs() const { return session_->worker_->context().NowMs(); }

bool Subscriptions::CloseIfLost() {
  if (lost_ == Lost::kNo) return false;
  WorkerStats& stats = session_->worker_->context().stats;
  (lost_ == Lost::kOutput ? stats.clients_subscriber_output_closed
                          : stats.clients_subscriber_lost_closed)
      .Add();
  session_->Close();
  return true;
}

}  // namespace weir
