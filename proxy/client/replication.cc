// SYNC and PSYNC, if the configuration allows them: a replica of Redis through weir.
//
// What comes after such a command is no sequence of replies: a snapshot of any size, then commands
// that nobody asked for; and what the replica says is not answered. So from there on the bytes pass
// between the client and a connection of its own as they are, in both directions, each side waiting
// for the other when it does not keep up. That goes on until one of them closes, even if the node
// refuses: it then answers further requests on that connection itself, as it would without weir.
#include "proxy/client/dispatcher.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"

namespace weir {

// Nothing: it goes as any request, because the node will only queue or refuse it. REQUIRES: the
// client has a connection of its own, and it is ready.
std::optional<bool> Dispatcher::Replicate(const Plan& plan, const Input& input) {
  if (session_.pinned_->state.expected().transaction || input.tail != nullptr) return std::nullopt;
  if (session_.head_ != nullptr) {
    session_.SetPause(Pause::kOrder);
    return false;
  }
  Link* link = session_.own_link_;
  if (!link->idle()) {
    link->Wait(&session_);
    session_.extras().full_link = link;
    session_.SetPause(Pause::kLinkFull);
    return false;
  }
  session_.Answer(plan.entry, {});
  session_.StartStreaming();
  Slice copy;
  if (input.parsed.rewritten) {
    copy = Slice::Copy(worker_.context().chunks, input.parsed.wire);
  } else {
    copy = Slice(input.chunk, input.parsed.wire);
  }
  session_.PassStream(copy.chunk(), copy.view());
  return true;
}

void Session::StartStreaming() {
  streaming_ = true;
  pinned_->state.HoldForGood();
  own_link_->StartTunnel();
  ShowPinReason(PinReason::kOther);
}

// What the client says, from now on.
void Session::PassStream(Chunk* chunk, std::string_view bytes) {
  if (own_link_ == nullptr) return;
  own_link_->SendRaw(chunk, bytes);
  if (!own_link_->full()) return;
  own_link_->Wait(this);
  extras().full_link = own_link_;
  SetPause(Pause::kLinkFull);
}

}  // namespace weir
