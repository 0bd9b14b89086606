// The numbers of receivers and subscribers that Redis gives, as they would be were each of weir's
// clients connected to it.
#ifndef WEIR_PROXY_CLIENT_RECEIVER_COUNTS_H_
#define WEIR_PROXY_CLIENT_RECEIVER_COUNTS_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/backend/subscription_counts.h"
#include "proxy/client/conversation.h"
#include "routing/arg_list.h"

namespace weir {

// What a command publishes to, if it does: "publish" or "spublish".
std::optional<ChannelKind> PublishKind(std::string_view command);

// Makes the client's reply to such a command (CommandEntry::counts_receivers) of Redis' reply;
// errors and whatever it does not understand stay. `counts` must outlive it; the rest is copied.
std::function<std::string(Conversation&, std::string_view)> ReceiverCorrection(
    const SubscriptionCounts* counts, std::string_view command, const ArgList& args);

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_RECEIVER_COUNTS_H_
