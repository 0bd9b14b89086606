// Preloaded into a program, it makes its clocks wrong by WEIR_TEST_CLOCK_SKEW_S seconds: the time of
// day by as many, the monotonic clock, which must not be negative, always ahead.
//
// (libfaketime does more, but its own start calls malloc, whose start, in jemalloc, asks the time.)
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec* time) {
  const long result = syscall(SYS_clock_gettime, clock, time);
  const char* skew = getenv("WEIR_TEST_CLOCK_SKEW_S");
  if (result == 0 && skew != NULL) {
    const long seconds = atol(skew);
    time->tv_sec += clock == CLOCK_REALTIME ? seconds : labs(seconds);
  }
  return (int)result;
}
