// What a client's own connection to the node holds that keeps it from being anybody else's.
//
// A session is pinned from the first command that needs a connection of its own until all of its
// requests are answered and nothing is held any more. What is held changes with replies, in order:
//
//   MULTI, accepted            transaction begins
//   EXEC in a transaction      ends it, whatever the reply; keys are watched no more
//   DISCARD, accepted          the same
//   WATCH, accepted            keys are watched
//   UNWATCH, accepted          not any more, unless it was only queued
//   CLIENT TRACKING ON | OFF   invalidations come, or no longer
//   anything else that stays   until the end of the connection
//   a command unknown to weir  the same: under another name, it may be any of these
//
// While such commands are on their way, `expected()` says what will be held if all are accepted.
#ifndef WEIR_PROXY_CLIENT_PIN_H_
#define WEIR_PROXY_CLIENT_PIN_H_

#include <cstdint>
#include <string_view>
#include <utility>

#include "routing/command_class.h"

namespace weir {

struct PinHolds {
  bool transaction = false;
  bool watch = false;
  bool tracking = false;
  bool other = false;

  bool any() const { return transaction || watch || tracking || other; }
};

// For INFO and metrics: the one reason that says most.
enum class PinReason : uint8_t {
  kNone,
  kTransaction,
  kWatch,
  kBlocked,
  kTracking,
  kOther,  // a large request, a connection mode that only Redis knows, …
};
inline constexpr int kPinReasonCount = 6;
std::string_view PinReasonName(PinReason reason);  // "transaction"

inline PinEffect EffectOf(const CommandEntry* entry) {
  return entry == nullptr ? PinEffect::kUnknown : entry->effect;
}

class Pin {
 public:
  // A command with this effect was sent; for tracking, `on` tells ON from OFF.
  void OnSent(PinEffect effect, bool on);
  // It was answered, with an error or not. In the order of sending.
  void OnReplied(PinEffect effect, bool on, bool error);
  // The same, if Redis said that it has no such command: then nothing has changed at all.
  void OnNotKnown(PinEffect effect);
  // The same for a command that weir does not know, but Redis does. If it was accepted, nobody else
  // may ever have the connection; if not, at least not when this client is through with it.
  // `whole`: `reply` is all of it. REQUIRES: OnSent(kUnknown).
  void OnUnknownReplied(std::string_view reply, bool whole, bool error);
  // Something holds it that no command of this client brought about.
  void HoldForGood() { holds_.other = expected_.other = true; }
  // A command was sent in a transaction that will change the connection itself when it is executed
  // (SELECT, HELLO, AUTH, …): after EXEC the node must be asked what it is like.
  void OnSessionCommandQueued() { differs_ = changes_connection_ = true; }
  bool changes_queued() const { return differs_; }
  // True once after a transaction in which that happened.
  bool TakeDiffers() { return std::exchange(differs_, false); }
  // The connection is not any more what its key says, so it must be closed in the end.
  void Taint() { changes_connection_ = true; }

  const PinHolds& holds() const { return holds_; }        // by all replies so far
  const PinHolds& expected() const { return expected_; }  // if what is on its way is accepted
  bool settled() const { return in_flight_ == 0; }        // both are the same
  bool blocked() const { return blocking_ != 0; }
  // Commands accepted since MULTI; -1 without.
  int64_t queued() const { return holds_.transaction ? queued_ : -1; }
  void OnQueued(uint32_t n) { queued_ += n; }
  // Whether another client may have the connection, once all is answered.
  bool clean() const { return !holds_.any() && !changes_connection_; }
  PinReason reason() const;

 private:
  PinHolds holds_;
  PinHolds expected_;
  uint32_t in_flight_ = 0;  // that have an effect
  uint32_t blocking_ = 0;   // of them those that may take for ever
  int64_t queued_ = 0;
  bool differs_ = false;
  bool changes_connection_ = false;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_PIN_H_
