// Questions to a sentinel, and its news.
#include "proxy/backend/sentinel_peer.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/call.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// A sentinel that is slower than this is as good as away.
constexpr int64_t kAnswerMaxMs = 1000;

UpstreamConfig ForSentinel(UpstreamConfig config) {
  config.request_timeout_ms = kAnswerMaxMs;
  config.offline_queue_age_max_ms = kAnswerMaxMs;
  config.connections_per_node = 1;
  config.idle_link_timeout_ms = 0;
  config.discover_replicas = false;
  return config;
}

UpstreamUrl UrlOf(const HostPort& address, const UpstreamConfig& config) {
  UpstreamUrl url;
  url.endpoints.push_back({.host = address.host, .port = address.port});
  url.user = config.sentinel_user;
  url.password = config.sentinel_password;
  return url;
}

std::shared_ptr<const UpstreamSnapshot> SnapshotOf(const HostPort& address) {
  auto snapshot = std::make_shared<UpstreamSnapshot>();
  snapshot->topology = Topology::Single({.host = address.host, .port = address.port});
  return snapshot;
}

std::string_view FirstLine(std::string_view reply) {
  return reply.substr(0, reply.find_first_of("\r\n"));
}

}  // namespace

SentinelPeer::SentinelPeer(LoopContext* context, const UpstreamConfig& config, HostPort address,
                           std::string name, const AddressMap* map, OnAnswer on_answer,
                           OnNews on_news)
    : context_(context),
      address_(std::move(address)),
      name_(std::move(name)),
      map_(map),
      on_answer_(std::move(on_answer)),
      on_news_(std::move(on_news)),
      config_(ForSentinel(config)),
      upstream_(context, &config_, 0, UrlOf(address_, config_), SnapshotOf(address_), &standstill_,
                [](const std::string&, const std::string&, bool, const std::string&) {}),
      news_link_(context, this, &config_, upstream_.BaseKey(), kNewsBytesMax) {
  news_link_.Open({.host = address_.host, .port = address_.port});
}

void SentinelPeer::Close() {
  closed_ = true;
  news_link_.Close();
  upstream_.Close();
}

void SentinelPeer::Ask() {
  asked_ = SentinelView();
  cause_.clear();
  missing_ = 4;
  AskOne("MASTER", [this](const Reply& reply) { return ReadSentinelMaster(reply, map_, &asked_); });
  AskOne("GET-MASTER-ADDR-BY-NAME",
         [this](const Reply& reply) { return ReadSentinelAddress(reply, map_, &asked_); });
  AskOne("REPLICAS",
         [this](const Reply& reply) { return ReadSentinelReplicas(reply, map_, &asked_); });
  AskOne("SENTINELS", [this](const Reply& reply) { return ReadSentinelSentinels(reply, &asked_); });
}

void SentinelPeer::AskOne(std::string_view what, std::function<absl::Status(const Reply&)> read) {
  std::string request;
  AppendRequest(&request, {"SENTINEL", what, name_});
  CallUpstream(context_, &upstream_, nullptr, std::move(request), /*retryable=*/true,
               [this, read = std::move(read)](std::string_view bytes) {
                 const absl::StatusOr<Reply> reply = ParseReply(bytes);
                 if (bytes.starts_with('-')) {
                   cause_ = FirstLine(bytes.substr(1));
                 } else if (!reply.ok()) {
                   cause_ = Message(reply.status());
                 } else if (const absl::Status status = read(*reply); !status.ok()) {
                   cause_ = Message(status);
                 }
                 if (--missing_ != 0) return;
                 view_.reset();
                 if (cause_.empty()) view_ = std::move(asked_);
                 if (!closed_) on_answer_();
               });
}

void SentinelPeer::OnLinkReady() {
  std::string request;
  AppendRequest(&request, {"SUBSCRIBE", "+switch-master", "+promoted-slave",
                           "+failover-state-reconf-slaves", "+config-update-from", "+sdown",
                           "-sdown", "+odown", "-odown", "+slave", "+reboot", "+sentinel"});
  news_link_.Send(request);
  on_news_("", "");
}

void SentinelPeer::OnFrame(const PubsubFrame& frame, Chunk*, std::string_view bytes) {
  if (frame.type != PubsubFrame::Type::kMessage) return;
  const absl::StatusOr<Reply> message = ParseReply(bytes.substr(0, frame.bytes));
  if (!message.ok() || message->elements.size() != 3) return;
  on_news_(frame.name, message->elements[2].string);
}

}  // namespace weir
