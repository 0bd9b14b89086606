// How replies change what a client's own connection holds.
#include "proxy/client/pin.h"

#include <iterator>

namespace weir {
namespace {

// `holds` after a command with this effect was accepted.
void Accept(PinEffect effect, bool on, PinHolds* holds) {
  switch (effect) {
    case PinEffect::kMulti:
      holds->transaction = true;
      return;
    case PinEffect::kExec:
    case PinEffect::kDiscard:
      // Without a transaction both are errors that change nothing.
      if (holds->transaction) holds->transaction = holds->watch = false;
      return;
    case PinEffect::kWatch:
      holds->watch = true;
      return;
    case PinEffect::kUnwatch:
      if (!holds->transaction) holds->watch = false;
      return;
    case PinEffect::kTracking:
      // OFF in a transaction is only queued.
      holds->tracking = on || (holds->tracking && holds->transaction);
      return;
    case PinEffect::kStream:
    case PinEffect::kOther:
    case PinEffect::kUnknown:
      holds->other = true;
      return;
    case PinEffect::kNone:
    case PinEffect::kBlock:
    case PinEffect::kPause:
      return;
  }
}

}  // namespace

std::string_view PinReasonName(PinReason reason) {
  constexpr std::string_view kNames[] = {"none",    "transaction", "watch",
                                         "blocked", "tracking",    "other"};
  static_assert(std::size(kNames) == kPinReasonCount);
  return kNames[static_cast<size_t>(reason)];
}

void Pin::OnSent(PinEffect effect, bool on) {
  if (effect == PinEffect::kNone) return;
  ++in_flight_;
  if (effect == PinEffect::kBlock) ++blocking_;
  Accept(effect, on, &expected_);
}

void Pin::OnReplied(PinEffect effect, bool on, bool error) {
  if (effect == PinEffect::kNone) return;
  --in_flight_;
  if (effect == PinEffect::kBlock) --blocking_;
  // EXEC ends a transaction also when it fails.
  const bool ends = effect == PinEffect::kExec && holds_.transaction;
  if (!error || ends) Accept(effect, on, &holds_);
  if (effect == PinEffect::kMulti && !error) queued_ = 0;
  if (in_flight_ == 0) expected_ = holds_;
}

void Pin::OnNotKnown(PinEffect effect) {
  if (effect == PinEffect::kNone) return;
  --in_flight_;
  if (effect == PinEffect::kBlock) --blocking_;
  if (in_flight_ == 0) expected_ = holds_;
}

void Pin::OnUnknownReplied(std::string_view reply, bool whole, bool error) {
  // In a transaction everything is queued or refused, except what ends it: EXEC, DISCARD or RESET
  // by another name.
  const bool queued = whole && reply == "+QUEUED\r\n";
  const bool ends = error ? reply.starts_with("-EXECABORT ") : !queued;
  if (holds_.transaction && ends) holds_.transaction = holds_.watch = false;
  if (error) changes_connection_ = true;
  OnReplied(PinEffect::kUnknown, false, error);
}

PinReason Pin::reason() const {
  if (blocking_ != 0 && !holds_.transaction) return PinReason::kBlocked;
  if (expected_.transaction) return PinReason::kTransaction;
  if (expected_.watch) return PinReason::kWatch;
  if (expected_.tracking) return PinReason::kTracking;
  return PinReason::kOther;
}

}  // namespace weir
