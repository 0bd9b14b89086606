// Randomness that can be had again: each test prints its seed, and WEIR_TEST_SEED sets it.
#ifndef WEIR_TESTS_SUPPORT_SEED_H_
#define WEIR_TESTS_SUPPORT_SEED_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace weir::harness {

inline uint64_t Seed() {
  const char* given = getenv("WEIR_TEST_SEED");
  const uint64_t seed =
      given != nullptr ? strtoull(given, nullptr, 10) : uint64_t{std::random_device()()};
  printf("seed %llu (WEIR_TEST_SEED=%llu runs this again)\n", static_cast<unsigned long long>(seed),
         static_cast<unsigned long long>(seed));
  return seed;
}

using Random = std::mt19937_64;

// From 0 to bound - 1; the same everywhere, which the standard's distributions are not.
inline uint64_t Below(Random& random, uint64_t bound) { return bound == 0 ? 0 : random() % bound; }

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_SEED_H_
