// What a fuzzed function says when a property does not hold: where, which, and abort().
#ifndef WEIR_TESTS_SUPPORT_FUZZ_CHECK_H_
#define WEIR_TESTS_SUPPORT_FUZZ_CHECK_H_

#include <cstdio>
#include <cstdlib>

#define WEIR_FUZZ_CHECK(holds)                                                 \
  do {                                                                         \
    if (!(holds)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
      std::abort();                                                            \
    }                                                                          \
  } while (false)

#endif  // WEIR_TESTS_SUPPORT_FUZZ_CHECK_H_
