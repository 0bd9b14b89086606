// The valid name that a mistyped one most likely meant.
#ifndef WEIR_PLUGINS_NEAREST_NAME_H_
#define WEIR_PLUGINS_NEAREST_NAME_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

// Insertions, deletions, changes and swaps of neighbours that turn `a` into `b`, letters' case
// aside (Damerau's distance in its restricted form; time and space of the product of the lengths).
size_t EditDistance(std::string_view a, std::string_view b);

// The candidate nearest to `name`, the first of several; "" when none is near enough to be meant
// (more than a third of its letters differ, and it is no longer form of `name`) or `name` is longer
// than any name of weir's. The result views into `candidates`.
std::string_view NearestName(std::string_view name,
                             const std::vector<std::string_view>& candidates);

// "; did you mean 'clients_max'?", or "" when nothing is near.
std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& candidates);

}  // namespace weir

#endif  // WEIR_PLUGINS_NEAREST_NAME_H_
