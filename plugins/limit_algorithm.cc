#include "plugins/limit_algorithm.h"

#include <iterator>

#include "plugins/text.h"

namespace weir {
namespace {

using Wide = unsigned __int128;

constexpr unsigned kCountBits = 20;  // of each of the two counters of a sliding window
constexpr uint64_t kCountMask = (uint64_t{1} << kCountBits) - 1;
constexpr unsigned kNumberBits = 64 - 2 * kCountBits;
constexpr uint64_t kNumberMask = (uint64_t{1} << kNumberBits) - 1;
constexpr uint64_t kFixedMask = UINT32_MAX;

// How many windows `now` is behind `then`, both modulo a power of two; negative: before it.
int64_t Distance(uint64_t now, uint64_t then, unsigned bits) {
  const unsigned shift = 64 - bits;
  return static_cast<int64_t>((now - then) << shift) >> shift;
}

uint64_t DivideUp(Wide a, uint64_t b) { return static_cast<uint64_t>((a + b - 1) / b); }

}  // namespace

std::string_view LimitAlgorithmName(LimitAlgorithm algorithm) {
  return Split(kLimitAlgorithms, '|')[static_cast<size_t>(algorithm)];
}

std::string LimitMath::Check(const LimitShape& shape) {
  const bool is_gcra = shape.algorithm <= LimitAlgorithm::kTokenBucket;
  const bool is_rate = shape.algorithm != LimitAlgorithm::kConcurrency;
  if (shape.points == 0 || shape.points > kPointsMax) {
    return Concat("points: expected 1 to ", kPointsMax, ", found ", shape.points);
  }
  if (is_rate && (shape.period_ms == 0 || shape.period_ms > kPeriodMsMax)) {
    return Concat("period_ms: expected 1 to ", kPeriodMsMax, ", found ", shape.period_ms);
  }
  if (shape.algorithm == LimitAlgorithm::kSlidingWindow && shape.points > kSlidingPointsMax) {
    return Concat("points: a sliding_window counts to ", kSlidingPointsMax, ", found ",
                  shape.points);
  }
  if (shape.burst != 0 && !is_gcra) return "burst: only gcra and token_bucket have one";
  if (!is_gcra) return "";
  if (shape.points > shape.period_ms * 1'000'000) {
    return Concat("points: expected at most a billion a second, found ", shape.points, " in ",
                  shape.period_ms, " ms");
  }
  // The time that it takes to fill must be countable.
  const Wide fill_ms = Wide{shape.capacity()} * shape.period_ms / shape.points;
  if (shape.capacity() > kPointsMax || fill_ms > kPeriodMsMax) {
    return Concat("burst: expected at most ", kPointsMax, ", and no more than come in ",
                  kPeriodMsMax, " ms; found ", shape.burst);
  }
  return "";
}

LimitMath::LimitMath(const LimitShape& shape)
    : shape_(shape), period_ns_(shape.period_ms * 1'000'000) {
  if (shape.algorithm > LimitAlgorithm::kTokenBucket) return;
  ticks_a_point_ = DivideUp(Wide{period_ns_} * kTicksPerNs, shape.points);
  ticks_of_all_ = ticks_a_point_ * shape.capacity();
}

LimitMath::Window LimitMath::FixedAt(uint64_t word, uint64_t now_ns) const {
  Window window{.number = now_ns / period_ns_ & kFixedMask, .elapsed_ns = now_ns % period_ns_};
  const int64_t behind = Distance(window.number, word >> 32, 32);
  // A number far ahead is one of long ago, before the count of windows began anew.
  if (behind > 0 || behind < -1) return window;
  if (behind < 0) window.elapsed_ns = 0;  // a thread whose clock is ahead opened the next one
  window.number = word >> 32;
  window.count = word & kFixedMask;
  return window;
}

LimitMath::Window LimitMath::SlidingAt(uint64_t word, uint64_t now_ns) const {
  Window window{.number = now_ns / period_ns_ & kNumberMask, .elapsed_ns = now_ns % period_ns_};
  const uint64_t number = word >> (2 * kCountBits);
  const uint64_t before = word >> kCountBits & kCountMask;
  const uint64_t count = word & kCountMask;
  const int64_t behind = Distance(window.number, number, kNumberBits);
  if (behind == 1) {
    window.before = count;
  } else if (behind == 0 || behind == -1) {
    if (behind < 0) window.elapsed_ns = 0;
    window.number = number;
    window.before = before;
    window.count = count;
  }
  return window;
}

uint64_t LimitMath::PackFixed(const Window& window) { return window.number << 32 | window.count; }

uint64_t LimitMath::PackSliding(const Window& window) {
  return window.number << (2 * kCountBits) | window.before << kCountBits | window.count;
}

// Of the window before, as much counts as lies within a period of now.
bool LimitMath::SlidingFits(const Window& window, uint64_t cost) const {
  const Wide used = Wide{window.count + cost} * period_ns_ +
                    Wide{window.before} * (period_ns_ - window.elapsed_ns);
  return used <= Wide{shape_.points} * period_ns_;
}

uint64_t LimitMath::SlidingWait(const Window& window, uint64_t cost) const {
  if (cost > shape_.points) return kNeverNs;
  // From which part of a window on the one before, with `count`, leaves `room`?
  const auto fits_from = [this](uint64_t count, uint64_t room) {
    if (count <= room) return uint64_t{0};
    return period_ns_ - static_cast<uint64_t>(Wide{room} * period_ns_ / count);
  };
  if (window.count + cost <= shape_.points) {
    const uint64_t from = fits_from(window.before, shape_.points - window.count - cost);
    return from > window.elapsed_ns ? from - window.elapsed_ns : 0;
  }
  return period_ns_ - window.elapsed_ns + fits_from(window.count, shape_.points - cost);
}

LimitTake LimitMath::TakeOther(uint64_t word, uint64_t now_ns, uint64_t cost) const {
  switch (shape_.algorithm) {
    case LimitAlgorithm::kFixedWindow: {
      Window window = FixedAt(word, now_ns);
      if (cost > shape_.points) return {false, word, kNeverNs};
      if (window.count + cost > shape_.points) {
        return {false, word, period_ns_ - window.elapsed_ns};
      }
      window.count += cost;
      return {true, PackFixed(window), 0};
    }
    case LimitAlgorithm::kSlidingWindow: {
      Window window = SlidingAt(word, now_ns);
      if (cost > shape_.points || !SlidingFits(window, cost)) {
        return {false, word, SlidingWait(window, cost)};
      }
      window.count += cost;
      return {true, PackSliding(window), 0};
    }
    default:
      if (word >= shape_.points) return {false, word, 0};
      return {true, word + 1, 0};
  }
}

uint64_t LimitMath::Refund(uint64_t word, uint64_t taken_ns, uint64_t cost) const {
  // Concurrency has no period.
  const uint64_t number = period_ns_ == 0 ? 0 : taken_ns / period_ns_;
  switch (shape_.algorithm) {
    case LimitAlgorithm::kGcra:
    case LimitAlgorithm::kTokenBucket:
      return word - std::min(word, cost * ticks_a_point_);
    case LimitAlgorithm::kFixedWindow:
      if (Distance(word >> 32, number, 32) != 0) return word;
      return word - std::min(word & kFixedMask, cost);
    case LimitAlgorithm::kSlidingWindow: {
      const int64_t ago = Distance(word >> (2 * kCountBits), number, kNumberBits);
      if (ago == 0) return word - std::min(word & kCountMask, cost);
      if (ago != 1) return word;
      return word - (std::min(word >> kCountBits & kCountMask, cost) << kCountBits);
    }
    default:
      return word - std::min<uint64_t>(word, 1);
  }
}

LimitLook LimitMath::Look(uint64_t word, uint64_t now_ns) const {
  switch (shape_.algorithm) {
    case LimitAlgorithm::kGcra:
    case LimitAlgorithm::kTokenBucket: {
      const uint64_t now = now_ns * kTicksPerNs;
      const uint64_t owed = std::max(word, now) - now;
      const uint64_t room = ticks_of_all_ - std::min(owed, ticks_of_all_);
      return {room / ticks_a_point_, DivideUp(owed, kTicksPerNs)};
    }
    case LimitAlgorithm::kFixedWindow: {
      const Window window = FixedAt(word, now_ns);
      return {shape_.points - std::min(window.count, shape_.points),
              window.count == 0 ? 0 : period_ns_ - window.elapsed_ns};
    }
    case LimitAlgorithm::kSlidingWindow: {
      const Window window = SlidingAt(word, now_ns);
      const uint64_t past =
          DivideUp(Wide{window.before} * (period_ns_ - window.elapsed_ns), period_ns_);
      const uint64_t used = std::min(window.count + past, shape_.points);
      const uint64_t whole = window.count != 0 ? 2 * period_ns_ : period_ns_;
      const bool any = window.count != 0 || window.before != 0;
      return {shape_.points - used, any ? whole - window.elapsed_ns : 0};
    }
    default:
      return {shape_.points - std::min(word, shape_.points), 0};
  }
}

uint64_t LimitMath::Debt(uint64_t word, uint64_t now_ns) const {
  switch (shape_.algorithm) {
    case LimitAlgorithm::kGcra:
    case LimitAlgorithm::kTokenBucket: {
      const uint64_t now = now_ns * kTicksPerNs;
      return word > now ? word - now : 0;
    }
    case LimitAlgorithm::kFixedWindow:
      return FixedAt(word, now_ns).count;
    case LimitAlgorithm::kSlidingWindow: {
      const Window window = SlidingAt(word, now_ns);
      return window.count + window.before;
    }
    default:
      return word;
  }
}

}  // namespace weir
