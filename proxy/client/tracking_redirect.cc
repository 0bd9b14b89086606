// CLIENT TRACKING with REDIRECT: invalidations for one client go to another.
//
// The client names the other by weir's number; Redis must hear the number of a connection of the
// other's own. So whoever others redirect to gets one, for the rest of its life, and all that it
// says goes over it: its invalidations and replies come in the order of Redis. Which it is, the
// worker that serves the other says; what Redis says of that number is translated back.
//
// With RESP2, Redis sends invalidations only to who is in the subscribed mode, whatever the
// channels. weir's subscriptions are not on that connection, so while the client has any, weir
// subscribes there to __redis__:invalidate in its place.
#include <optional>
#include <string>
#include <vector>

#include "plugins/text.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/request_task.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr std::string_view kInvalidations = "__redis__:invalidate";
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

// Of CLIENT TRACKING ON …
bool Dispatcher::AsksForBroadcast(const ParsedRequest& parsed) {
  for (uint32_t i = 3; i < parsed.argc; ++i) {
    if (IsKeyword(parsed.arg(i), "bcast")) return true;
    if (IsKeyword(parsed.arg(i), "prefix") || IsKeyword(parsed.arg(i), "redirect")) ++i;
  }
  return false;
}

// SUBSCRIBE __redis__:invalidate needs a connection of its own for others to redirect to, and what
// ends that subscription goes there, too.
bool Dispatcher::ConcernsInvalidations(const ParsedRequest& parsed) const {
  const bool names_it = parsed.argc == 2 && parsed.arg(1) == kInvalidations;
  if (IsKeyword(parsed.arg(0), "subscribe")) return names_it;
  const bool has_it = session_.own_link_ != nullptr && session_.pinned_->listens;
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
    worker_.FindOwnConnection(&session_, static_cast<uint64_t>(id));
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
  instead.effect_broadcast = instead.effect_on && AsksForBroadcast(input.parsed);
  return SendInstead(plan, input, instead);
}

// The worker of the other client has said which connection that has.
void Session::OnRedirectKnown(const std::vector<std::string>& parts) {
  if (pinned_ != nullptr) {
    int64_t& node_id = pinned_->redirect.node_id;
    if (!ParseWireNumber(parts.front(), &node_id) || node_id == 0) node_id = kNobody;
    pinned_->redirect.fresh = true;
  }
  ClearPause(Pause::kAsk);
}

void Session::BecomeTarget(std::function<void(int64_t)> tell) {
  const InLane in(this, home());
  const bool lost = pinned_ != nullptr && own_link_ == nullptr && pinned_->lost.any();
  const bool elsewhere = own_link_ != nullptr && pinned_->upstream != upstream_;
  if (closed_ || lost || elsewhere || (own_link_ == nullptr && !TakeOwnLink(group_->key())))
    return tell(0);
  pinned_->state.HoldForGood();
  pinned_->is_target = true;
  pinned_->to_tell.push_back(std::move(tell));
  if (own_link_->introduced()) TellTarget();
  Schedule();
}

// By which number the node knows its connection, if it still has one.
void Session::TellTarget() {
  if (pinned_ == nullptr) return;
  for (const auto& tell : std::exchange(pinned_->to_tell, {})) {
    tell(own_link_ == nullptr ? 0 : own_link_->client_id());
  }
  if (own_link_ != nullptr) PlaySubscriber();
}

void Session::PlaySubscriber() {
  if (pinned_ == nullptr || own_link_ == nullptr || !pinned_->is_target || pinned_->listens) return;
  if (!own_link_->introduced() || pinned_->plays_subscriber == subscribed()) return;
  pinned_->plays_subscriber = subscribed();
  own_link_->ExpectMessages();
  SendOnOwnLink({subscribed() ? "SUBSCRIBE" : "UNSUBSCRIBE", kInvalidations});
}

// Not what somebody publishes to a channel to which only weir subscribes.
bool Session::TakesPush(std::string_view frame) const {
  if (!pinned_->plays_subscriber || frame.empty()) return true;
  frame.remove_prefix(1);
  constexpr std::string_view kMessage = "3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$";
  return !frame.starts_with(kMessage) || frame.substr(kMessage.size()).starts_with('-');
}

// The node says by its own number who is gone. False: it says something else.
bool Session::PushBrokenRedirect(std::string_view frame) {
  constexpr std::string_view kBroken = ">2\r\n$21\r\ntracking-redir-broken\r\n";
  if (!frame.starts_with(kBroken)) return false;
  pinned_->redirect_broken = true;
  out_.AppendCopy(worker_->context().chunks,
                  Concat(kBroken, ":", pinned_->redirect.client_id, "\r\n"));
  return true;
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
