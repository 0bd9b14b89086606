// What the process uses of its machine: CPU, memory, file descriptors.
#ifndef WEIR_PROXY_PROCESS_USAGE_H_
#define WEIR_PROXY_PROCESS_USAGE_H_

#include <optional>

namespace weir {

// Without a value: cannot be found out here.
struct ProcessUsage {
  std::optional<double> cpu_s;         // user and system, since start
  std::optional<double> start_time_s;  // since 1970
  std::optional<double> resident_bytes;
  std::optional<double> virtual_bytes;
  std::optional<double> open_fds;
  std::optional<double> max_fds;
  // jemalloc's stats.*, see jemalloc(3); without a value in a build without it.
  std::optional<double> allocated_bytes;
  std::optional<double> active_bytes;
  std::optional<double> allocator_resident_bytes;
  std::optional<double> mapped_bytes;
  std::optional<double> metadata_bytes;
};

// Any thread; reads /proc/self, so takes some tens of microseconds.
ProcessUsage MeasureProcess();

}  // namespace weir

#endif  // WEIR_PROXY_PROCESS_USAGE_H_
