#include "proxy/process_usage.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef WEIR_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include <cstdint>
#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace weir {
namespace {

double SecondsOf(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// proc(5): field 22 of /proc/self/stat is the start in clock ticks after boot. Fields are counted
// behind the program's name, which is in parentheses and may hold anything.
std::optional<double> StartTime() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  constexpr int kStartTimeField = 22;
  std::string field;
  for (int number = 3; number <= kStartTimeField; ++number) fields >> field;
  if (!fields) return std::nullopt;
  const double since_boot_s = std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return SecondsOf(CLOCK_REALTIME) - SecondsOf(CLOCK_BOOTTIME) + since_boot_s;
}

// proc(5): /proc/self/statm starts with the sizes of the address space and of what is in RAM.
void MeasureMemory(ProcessUsage* usage) {
  std::ifstream file("/proc/self/statm");
  double virtual_pages = 0;
  double resident_pages = 0;
  if (!(file >> virtual_pages >> resident_pages)) return;
  const auto page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
  usage->virtual_bytes = virtual_pages * page_bytes;
  usage->resident_bytes = resident_pages * page_bytes;
}

std::optional<double> CountOpenFds() {
  DIR* const directory = opendir("/proc/self/fd");
  if (directory == nullptr) return std::nullopt;
  double count = 0;
  while (const dirent* entry = readdir(directory)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(directory);
  return count - 1;  // the directory itself was one
}

#ifdef WEIR_JEMALLOC
std::optional<double> ReadJemalloc(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  if (mallctl(name, &value, &size, nullptr, 0) != 0) return std::nullopt;
  return static_cast<double>(value);
}

void MeasureAllocator(ProcessUsage* usage) {
  // The figures are a snapshot that this makes anew.
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
  usage->allocated_bytes = ReadJemalloc("stats.allocated");
  usage->active_bytes = ReadJemalloc("stats.active");
  usage->allocator_resident_bytes = ReadJemalloc("stats.resident");
  usage->mapped_bytes = ReadJemalloc("stats.mapped");
  usage->metadata_bytes = ReadJemalloc("stats.metadata");
}
#else
void MeasureAllocator(ProcessUsage*) {}
#endif

}  // namespace

ProcessUsage MeasureProcess() {
  ProcessUsage usage;
  usage.cpu_s = SecondsOf(CLOCK_PROCESS_CPUTIME_ID);
  usage.start_time_s = StartTime();
  usage.open_fds = CountOpenFds();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.max_fds = static_cast<double>(limit.rlim_cur);
  MeasureMemory(&usage);
  MeasureAllocator(&usage);
  return usage;
}

}  // namespace weir
