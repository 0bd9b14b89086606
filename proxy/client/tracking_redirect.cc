// CLIENT TRACKING with REDIRECT: invalidations for one client go to another.
//
// The client names the other by weir's number; Redis must hear the number of the other's own
// connection, which it has because it subscribes to __redis__:invalidate. Which that is, the worker
// that serves the other is asked; what Redis says of it is translated back.
#include <optional>
#include <string>
#include <vector>

#include "plugins/text.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/request_task.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"
#include "routing/text.h"

namespace weir {
namespace {

// A number that no client has.
constexpr int64_t kNobody = INT64_MAX;

// The place of REDIRECT's argument; 0: there is none that is a number.
uint32_t RedirectArgument(const ParsedRequest& parsed, int64_t* id) {
  for (uint32_t i = 3; i + 1 < parsed.argc; ++i) {
    if (IsKeyword(parsed.arg(i), "redirect")) {
      return ParseWireNumber(parsed.arg(i + 1), id) && *id > 0 ? i + 1 : 0;
    }
    if (IsKeyword(parsed.arg(i), "prefix")) ++i;
  }
  return 0;
}

}  // namespace

// SUBSCRIBE __redis__:invalidate needs a connection of its own for others to redirect to, and what
// ends that subscription goes there, too.
bool Dispatcher::ConcernsInvalidations(const ParsedRequest& parsed) const {
  const bool names_it = parsed.argc == 2 && parsed.arg(1) == "__redis__:invalidate";
  if (IsKeyword(parsed.arg(0), "subscribe")) return names_it;
  const bool has_it = session_.own_link_ != nullptr && session_.pinned_->state.expected().other;
  return has_it && IsKeyword(parsed.arg(0), "unsubscribe") && (names_it || parsed.argc == 1);
}

// Nothing: the request can go as it is.
std::optional<bool> Dispatcher::RedirectTracking(const Plan& plan, const Input& input) {
  int64_t id = 0;
  const uint32_t place = RedirectArgument(input.parsed, &id);
  Pinned& pinned = *session_.pinned_;
  if (place == 0) {
    pinned.redirect = {};
    return std::nullopt;
  }
  if (pinned.redirect.client_id != id || !pinned.redirect.fresh) {
    pinned.redirect = {.client_id = id};
    session_.SetPause(Pause::kAsk);
    worker_.Gather(&session_, nullptr, [id](ClientTable& clients, std::string* out) {
      const int64_t node_id = clients.OwnConnectionId(static_cast<uint64_t>(id));
      if (node_id != 0) *out = std::to_string(node_id);
    });
    return false;
  }
  pinned.redirect.fresh = false;
  std::vector<std::string_view> args;
  for (uint32_t i = 0; i < input.parsed.argc; ++i) args.push_back(input.parsed.arg(i));
  const std::string node_id = std::to_string(pinned.redirect.node_id);
  args[place] = node_id;
  Instead instead;
  AppendRequest(&instead.bytes, args);
  instead.effect = PinEffect::kTracking;
  instead.effect_on = IsKeyword(args[2], "on");
  return SendInstead(plan, input, instead);
}

// The workers have said which connection the other client has.
void Session::OnRedirectKnown(const std::vector<std::string>& parts) {
  if (pinned_ != nullptr) {
    pinned_->redirect.node_id = kNobody;
    for (const std::string& part : parts) {
      if (!part.empty()) static_cast<void>(ParseWireNumber(part, &pinned_->redirect.node_id));
    }
    pinned_->redirect.fresh = true;
  }
  ClearPause(Pause::kAsk);
}

int64_t Session::OwnConnectionId() const {
  return own_link_ == nullptr ? 0 : own_link_->client_id();
}

// CLIENT GETREDIR and TRACKINGINFO.
bool Dispatcher::AskTracking(const Plan& plan, const Input& input) {
  const Pinned::Redirect& redirect = session_.pinned_->redirect;
  if (redirect.client_id == 0) return SendOwn(plan, input);
  Instead instead;
  instead.bytes = input.parsed.wire;
  const std::string theirs = Concat(":", redirect.node_id, "\r\n");
  const std::string ours = Concat(":", redirect.client_id, "\r\n");
  instead.finish = [theirs, ours](Conversation&, std::string_view reply) {
    std::string text(reply);
    const size_t at = text.find(theirs);
    return at == std::string::npos ? text : text.replace(at, theirs.size(), ours);
  };
  return SendInstead(plan, input, instead);
}

}  // namespace weir
