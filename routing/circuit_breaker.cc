#include "routing/circuit_breaker.h"

#include <algorithm>

namespace weir {

bool CircuitBreaker::OnFailure(uint64_t now_ms, uint64_t answered_ms) {
  // What was sent before the ejection still fails.
  if (state_ != State::kClosed) return false;
  // In the same millisecond, too: time runs out when one has just begun.
  if (answered_ms >= last_failure_ms_) failures_ = 0;
  last_failure_ms_ = now_ms;
  if (++failures_ < limits_.consecutive_failures) return false;
  if (returned_ms_ == 0 || now_ms - returned_ms_ >= limits_.max_ms) ejections_ = 0;
  Eject(now_ms);
  return true;
}

bool CircuitBreaker::OnBreak(uint64_t now_ms, uint64_t answered_ms) {
  if (last_break_ms_ != 0 && now_ms - last_break_ms_ < kOneBreakMs) return false;
  last_break_ms_ = now_ms;
  return OnFailure(now_ms, answered_ms);
}

void CircuitBreaker::Eject(uint64_t now_ms) {
  state_ = State::kOpen;
  failures_ = 0;
  if (ejections_ < UINT32_MAX) ++ejections_;
  eject_until_ms_ = now_ms + std::min(limits_.max_ms, limits_.base_ms * ejections_);
}

bool CircuitBreaker::TakeProbe(uint64_t now_ms) {
  if (state_ != State::kOpen || now_ms < eject_until_ms_) return false;
  state_ = State::kHalfOpen;
  return true;
}

void CircuitBreaker::OnProbe(uint64_t now_ms, bool succeeded) {
  if (state_ != State::kHalfOpen) return;
  if (!succeeded) return Eject(now_ms);
  state_ = State::kClosed;
  failures_ = 0;
  last_failure_ms_ = now_ms;
  returned_ms_ = now_ms;
}

void CircuitBreaker::OnReachable(uint64_t now_ms) {
  if (state_ == State::kClosed) returned_ms_ = now_ms;
}

void CircuitBreaker::OnLeft() {
  state_ = State::kClosed;
  failures_ = 0;
}

uint32_t CircuitBreaker::Share(uint64_t now_ms) const {
  if (state_ != State::kClosed) return 0;
  const uint64_t back_ms = now_ms - returned_ms_;
  if (returned_ms_ == 0 || back_ms >= limits_.slow_start_ms) return kShareFull;
  return kShareMin +
         static_cast<uint32_t>((kShareFull - kShareMin) * back_ms / limits_.slow_start_ms);
}

uint64_t CircuitBreaker::EjectedForMs(uint64_t now_ms) const {
  if (state_ != State::kOpen) return 0;
  return eject_until_ms_ - std::min(now_ms, eject_until_ms_);
}

std::vector<NodeIndex> WithShares(std::vector<NodeIndex> nodes,
                                  const std::vector<uint32_t>& shares) {
  constexpr uint32_t kStep = 10;
  const bool all_full = std::all_of(shares.begin(), shares.end(), [](uint32_t share) {
    return share >= CircuitBreaker::kShareFull;
  });
  if (all_full || nodes.size() < 2) return nodes;
  // In rounds, so that who has all of its share is in each of them, and the rest in the first ones.
  std::vector<NodeIndex> shared;
  for (uint32_t round = 0; round < CircuitBreaker::kShareFull; round += kStep) {
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (shares[i] > round) shared.push_back(nodes[i]);
    }
  }
  return shared;
}

}  // namespace weir
