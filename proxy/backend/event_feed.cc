#include "proxy/backend/event_feed.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/config.h"
#include "resp/reply_writer.h"
#include "routing/keyspace_event.h"

namespace weir {
namespace {

using Type = PubsubFrame::Type;

bool IsEvent(const PubsubFrame& frame) {
  return IsKeyspaceEvent(frame.kind == ChannelKind::kPattern ? frame.channel : frame.name);
}

}  // namespace

EventFeed::EventFeed(LoopContext* context, EventFeedOwner* owner, const UpstreamConfig* config,
                     SubscriptionCounts* counts, const LinkKey& key, size_t frame_bytes_max,
                     Node node)
    : context_(context),
      owner_(owner),
      config_(config),
      counts_(counts),
      node_(std::move(node)),
      link_(context, this, config, key, frame_bytes_max) {
  link_.Open(node_);
}

EventFeed::~EventFeed() { ForgetConnection(); }

void EventFeed::Close() {
  link_.Close();
  ForgetConnection();
}

// ---- what is wanted

void EventFeed::Add(ChannelKind kind, std::string_view name) {
  Entry& entry = entries_[static_cast<size_t>(kind)].try_emplace(std::string(name)).first->second;
  if (std::exchange(entry.asked, true)) return;
  if (link_.ready()) Send(kind, name, /*subscribes=*/true);
}

void EventFeed::Remove(ChannelKind kind, std::string_view name) {
  Entries& entries = entries_[static_cast<size_t>(kind)];
  const auto at = entries.find(name);
  if (at == entries.end() || !std::exchange(at->second.asked, false)) return;
  if (link_.ready()) {
    Send(kind, name, /*subscribes=*/false);
  } else {
    entries.erase(at);
  }
}

bool EventFeed::Settled(ChannelKind kind, std::string_view name) const {
  if (!link_.ready()) return failed_ || link_.idle();
  const Entries& entries = entries_[static_cast<size_t>(kind)];
  const auto at = entries.find(name);
  return at == entries.end() || at->second.in_flight == 0;
}

// ---- commands: of one name each, so that each has one reply

void EventFeed::Send(ChannelKind kind, std::string_view name, bool subscribes) {
  constexpr std::string_view kWords[2][2] = {{"UNSUBSCRIBE", "PUNSUBSCRIBE"},
                                             {"SUBSCRIBE", "PSUBSCRIBE"}};
  const auto number = static_cast<size_t>(kind);
  std::string request;
  AppendRequest(&request, {kWords[subscribes ? 1 : 0][number], name});
  ++entries_[number].find(name)->second.in_flight;
  commands_.push_back({kind, std::string(name), subscribes, context_->NowMs()});
  link_.Send(request);
}

void EventFeed::TakeReply(const PubsubFrame& frame) {
  const auto out_of_step = [this] {
    context_->stats.links_protocol_errors.Add();
    link_.Break("the server sent a reply that nobody asked for");
  };
  if (commands_.empty()) return out_of_step();
  const Command command = std::move(commands_.front());
  commands_.pop_front();
  if (command.name.empty()) {
    if (frame.type != Type::kPong && frame.type != Type::kError) out_of_step();
    return;
  }
  const Type expected = command.subscribes ? Type::kSubscribed : Type::kUnsubscribed;
  const bool fits =
      frame.type == expected && frame.kind == command.kind && frame.name == command.name;
  if (!fits && frame.type != Type::kError) return out_of_step();
  Entries& entries = entries_[static_cast<size_t>(command.kind)];
  const auto at = entries.find(command.name);
  --at->second.in_flight;
  // A refusal the subscriber's own node has said as well, or will.
  if (fits) SetHeld(command.kind, command.name, &at->second, command.subscribes);
  if (at->second.in_flight == 0 && !at->second.asked) entries.erase(at);
  changed_ = true;
}

void EventFeed::SetHeld(ChannelKind kind, std::string_view name, Entry* entry, bool held) {
  if (std::exchange(entry->held, held) == held) return;
  counts_->Add(kind, name, {.feeds = held ? 1 : -1});
}

// ---- the connection

void EventFeed::OnLinkReady() {
  failed_ = false;
  last_ping_ms_ = context_->NowMs();
  for (const ChannelKind kind : {ChannelKind::kChannel, ChannelKind::kPattern}) {
    for (const auto& [name, entry] : entries_[static_cast<size_t>(kind)]) Send(kind, name, true);
  }
  owner_->OnFeedChanged();
}

// True if events may be missed.
bool EventFeed::ForgetConnection() {
  bool lost = false;
  commands_.clear();
  for (const ChannelKind kind : {ChannelKind::kChannel, ChannelKind::kPattern}) {
    Entries& entries = entries_[static_cast<size_t>(kind)];
    for (auto& [name, entry] : entries) {
      lost |= entry.held && entry.asked;
      entry.in_flight = 0;
      SetHeld(kind, name, &entry, false);
    }
    absl::erase_if(entries, [](const auto& each) { return !each.second.asked; });
  }
  return lost;
}

void EventFeed::OnLinkDown(std::string_view cause, bool was_ready, std::string_view) {
  failed_ = !was_ready;
  if (ForgetConnection()) owner_->OnFeedLost(cause);
  owner_->OnFeedChanged();
}

void EventFeed::OnFrame(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes) {
  if (frame.type == Type::kMessage) [[likely]] {
    if (IsEvent(frame)) owner_->OnEvent(frame, chunk, bytes);
  } else if (frame.type != Type::kOther) {
    TakeReply(frame);
  }
}

void EventFeed::OnFrameTooLarge(const PubsubFrame& frame) {
  if (frame.type != Type::kMessage) return link_.Break("the server sent too long a reply");
  if (IsEvent(frame)) owner_->OnEventTooLarge(frame);
}

void EventFeed::OnReadEnd() {
  owner_->OnEventsRead();
  if (std::exchange(changed_, false)) owner_->OnFeedChanged();
}

void EventFeed::OnTick(uint64_t now_ms) {
  link_.OnTick(now_ms);
  if (!link_.ready()) return;
  const auto timeout_ms = static_cast<uint64_t>(config_->request_timeout_ms);
  if (timeout_ms != 0 && !commands_.empty() &&
      std::max(commands_.front().sent_ms, link_.last_read_ms()) + timeout_ms <= now_ms) {
    return link_.Break(Concat("not a byte came in ", timeout_ms, " ms"));
  }
  const auto interval_ms = static_cast<uint64_t>(config_->health_check_interval_ms);
  if (interval_ms != 0 && commands_.empty() &&
      now_ms - std::max(link_.last_read_ms(), last_ping_ms_) >= interval_ms) {
    last_ping_ms_ = now_ms;
    commands_.push_back({ChannelKind::kChannel, {}, false, now_ms});
    link_.Send("*1\r\n$4\r\nPING\r\n");
  }
}

}  // namespace weir
