// The valid name that a mistyped one most likely meant.
#include "plugins/nearest_name.h"

#include <algorithm>

#include "plugins/text.h"
#include "routing/text.h"

namespace weir {
namespace {

// What is longer is noise, and the distance costs the product of the lengths.
constexpr size_t kNameBytesMax = 64;

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b) {
  // Three rows of the table: the swap looks two rows back.
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> above(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  const auto same = [](char x, char y) { return ToLower(x) == ToLower(y); };
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
      row[j] = std::min({change, above[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

std::string_view NearestName(std::string_view name,
                             const std::vector<std::string_view>& candidates) {
  if (name.size() > kNameBytesMax) return {};
  std::string_view nearest;
  size_t nearest_distance = kNameBytesMax;
  for (const std::string_view candidate : candidates) {
    const size_t allowed = std::max<size_t>(1, std::max(name.size(), candidate.size()) / 3);
    // "warn" is far from "warning" by letters, but near by intent.
    const bool shortened = name.size() >= 3 && candidate.substr(0, name.size()) == name;
    const size_t distance = shortened ? 1 : EditDistance(name, candidate);
    if (distance > allowed || distance >= nearest_distance) continue;
    nearest = candidate;
    nearest_distance = distance;
  }
  return nearest;
}

std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& candidates) {
  const std::string_view nearest = NearestName(name, candidates);
  return nearest.empty() ? "" : Concat("; did you mean '", nearest, "'?");
}

}  // namespace weir
