#include "proxy/client/receiver_counts.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>
#include <vector>

#include "resp/reply_writer.h"

namespace weir {
namespace {

// Takes ":123\r\n" off the text.
std::optional<int64_t> TakeInteger(std::string_view* text) {
  if (!text->starts_with(':')) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data() + 1, text->data() + text->size(), value);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  if (!text->starts_with("\r\n")) return std::nullopt;
  text->remove_prefix(2);
  return value;
}

// `held_before`: when it was sent. A connection of weir's that subscribed or unsubscribed since may
// have been counted.
std::string CorrectPublish(const SubscriptionCounts& counts, ChannelKind kind,
                           std::string_view channel, int64_t held_before, std::string_view reply) {
  std::string_view rest = reply;
  const std::optional<int64_t> counted = TakeInteger(&rest);
  if (!counted.has_value() || !rest.empty()) return std::string(reply);
  std::string corrected;
  SubscriptionCount now = counts.Receivers(kind, channel);
  now.held = std::max(now.held, held_before);
  ReplyWriter(&corrected, 2).Integer(now.Correct(*counted));
  return corrected;
}

// Names and numbers in turn, in the order of the request.
std::string CorrectNumsub(const SubscriptionCounts& counts, ChannelKind kind,
                          const std::vector<std::string>& names, std::string_view reply) {
  std::string corrected;
  ReplyWriter writer(&corrected, 2);
  writer.ArrayHeader(2 * names.size());
  if (!reply.starts_with(corrected)) return std::string(reply);
  std::string_view rest = reply.substr(corrected.size());
  for (const std::string& name : names) {
    const size_t before = corrected.size();
    writer.Bulk(name);
    const std::string_view same = std::string_view(corrected).substr(before);
    if (!rest.starts_with(same)) return std::string(reply);
    rest.remove_prefix(same.size());
    const std::optional<int64_t> counted = TakeInteger(&rest);
    if (!counted.has_value()) return std::string(reply);
    writer.Integer(counts.Of(kind, name).CorrectOfAll(*counted));
  }
  return corrected;
}

}  // namespace

std::optional<ChannelKind> PublishKind(std::string_view command) {
  if (command == "publish") return ChannelKind::kChannel;
  if (command == "spublish") return ChannelKind::kShard;
  return std::nullopt;
}

std::function<std::string(Conversation&, std::string_view)> ReceiverCorrection(
    const SubscriptionCounts* counts, std::string_view command, const ArgList& args) {
  if (const auto kind = PublishKind(command); kind.has_value()) {
    std::string channel(args.size() > 1 ? args[1] : "");
    const int64_t held = counts->Receivers(*kind, channel).held;
    return [counts, kind = *kind, channel = std::move(channel), held](Conversation&,
                                                                      std::string_view reply) {
      return CorrectPublish(*counts, kind, channel, held, reply);
    };
  }
  const ChannelKind kind =
      command == "pubsub|shardnumsub" ? ChannelKind::kShard : ChannelKind::kChannel;
  std::vector<std::string> names;
  for (uint32_t i = 2; i < args.size(); ++i) names.emplace_back(args[i]);
  return [counts, kind, names = std::move(names)](Conversation&, std::string_view reply) {
    return CorrectNumsub(*counts, kind, names, reply);
  };
}

}  // namespace weir
