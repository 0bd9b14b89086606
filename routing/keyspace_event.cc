#include "routing/keyspace_event.h"

#include <algorithm>
#include <iterator>

#include "routing/glob.h"

namespace weir {
namespace {

constexpr std::string_view kPrefixes[] = {"__keyspace@", "__keyevent@"};

}  // namespace

bool IsKeyspaceEvent(std::string_view channel) {
  return std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [channel](std::string_view prefix) { return channel.starts_with(prefix); });
}

bool MayMatchKeyspaceEvents(std::string_view pattern) {
  return std::any_of(
      std::begin(kPrefixes), std::end(kPrefixes),
      [pattern](std::string_view prefix) { return MayMatchWithPrefix(pattern, prefix); });
}

}  // namespace weir
