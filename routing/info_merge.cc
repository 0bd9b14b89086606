#include "routing/info_merge.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "routing/info_keyspace.h"
#include "routing/text.h"

namespace weir {
namespace {

enum class Rule : uint8_t { kFirst, kSum, kMin, kMax };

struct Named {
  std::string_view name;
  Rule rule;
};

constexpr Named kSections[] = {
    {"# Clients", Rule::kSum},    {"# Memory", Rule::kSum},       {"# Persistence", Rule::kMax},
    {"# Stats", Rule::kSum},      {"# CPU", Rule::kSum},          {"# Commandstats", Rule::kSum},
    {"# Errorstats", Rule::kSum}, {"# Latencystats", Rule::kMax},
};

// Those that are not as their section is.
constexpr Named kFields[] = {
    {"maxclients", Rule::kFirst},
    {"client_recent_max_input_buffer", Rule::kMax},
    {"client_recent_max_output_buffer", Rule::kMax},
    {"total_system_memory", Rule::kFirst},
    {"number_of_cached_scripts", Rule::kMax},
    {"number_of_functions", Rule::kMax},
    {"number_of_libraries", Rule::kMax},
    {"active_defrag_running", Rule::kMax},
    {"rdb_changes_since_last_save", Rule::kSum},
    {"rdb_saves", Rule::kSum},
    {"aof_rewrites", Rule::kSum},
    {"rdb_last_save_time", Rule::kMin},
    {"rdb_last_load_keys_expired", Rule::kSum},
    {"rdb_last_load_keys_loaded", Rule::kSum},
    {"current_save_keys_processed", Rule::kSum},
    {"current_save_keys_total", Rule::kSum},
    {"expired_stale_perc", Rule::kMax},
    {"latest_fork_usec", Rule::kMax},
    {"current_eviction_exceeded_time", Rule::kMax},
    {"current_active_defrag_time", Rule::kMax},
};

// Made anew: one sum over another, which may be without a third.
struct Ratio {
  std::string_view name, over, under, without;
  bool percent;
};
constexpr Ratio kRatios[] = {
    {"used_memory_peak_perc", "used_memory", "used_memory_peak", "", true},
    {"used_memory_dataset_perc", "used_memory_dataset", "used_memory", "used_memory_startup", true},
    {"allocator_frag_ratio", "allocator_active", "allocator_allocated", "", false},
    {"allocator_rss_ratio", "allocator_resident", "allocator_active", "", false},
    {"rss_overhead_ratio", "used_memory_rss", "allocator_resident", "", false},
    {"mem_fragmentation_ratio", "used_memory_rss", "used_memory", "", false},
};

// What a section may have more of in another node: by names that clients may have made up.
constexpr std::string_view kOpenPrefixes[] = {"cmdstat_", "errorstat_",
                                              "latency_percentiles_usec_"};
constexpr std::string_view kHuman = "_human";

template <size_t kSize>
const Named* Find(const Named (&table)[kSize], std::string_view name) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [&](const Named& entry) { return entry.name == name; });
  return found == std::end(table) ? nullptr : found;
}

// ---- values

// A decimal number as Redis prints it: 12 or 12.50.
struct Number {
  int64_t scaled = 0;  // without its point
  size_t decimals = 0;

  double value() const {
    double value = static_cast<double>(scaled);
    for (size_t i = 0; i < decimals; ++i) value /= 10;
    return value;
  }
};

std::optional<Number> ReadNumber(std::string_view text) {
  constexpr size_t kDigitsMax = 18;
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  Number number;
  if (point != std::string_view::npos) number.decimals = text.size() - point - 1;
  if (text.empty() || text.size() > kDigitsMax || point == 0) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == point) continue;
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    number.scaled = number.scaled * 10 + (text[i] - '0');
  }
  if (negative) number.scaled = -number.scaled;
  return number;
}

std::string Written(double value, size_t decimals) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%.*f", static_cast<int>(decimals), value);
  return buffer;
}

std::string Written(const Number& number) {
  return number.decimals == 0 ? Concat(number.scaled) : Written(number.value(), number.decimals);
}

// As Redis writes bytes for people.
std::string Human(double bytes) {
  constexpr char kUnits[] = "KMGTPE";
  if (bytes < 1024) return Concat(static_cast<int64_t>(bytes), "B");
  size_t unit = 0;
  for (bytes /= 1024; bytes >= 1024 && unit + 2 < sizeof(kUnits); ++unit) bytes /= 1024;
  return Concat(Written(bytes, 2), std::string_view(&kUnits[unit], 1));
}

using Values = std::vector<std::string_view>;

// Nothing: they are not all numbers of one kind, or too large.
std::optional<Number> CombineNumbers(Rule rule, const Values& values) {
  std::optional<Number> combined;
  for (const std::string_view value : values) {
    const std::optional<Number> number = ReadNumber(value);
    if (!number || (combined && combined->decimals != number->decimals)) return std::nullopt;
    if (!combined) {
      combined = number;
    } else if (rule == Rule::kSum) {
      if (__builtin_add_overflow(combined->scaled, number->scaled, &combined->scaled)) {
        return std::nullopt;
      }
    } else {
      combined->scaled = rule == Rule::kMin ? std::min(combined->scaled, number->scaled)
                                            : std::max(combined->scaled, number->scaled);
    }
  }
  return combined;
}

std::string_view FieldOf(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view field = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (field.starts_with(name) && field.substr(name.size()).starts_with('=')) {
      return field.substr(name.size() + 1);
    }
  }
  return {};
}

// "calls=2,usec=10,usec_per_call=5.00": number by number, and the mean made anew.
std::string CombineLists(Rule rule, const Values& values) {
  std::string combined;
  double calls = 0, usec = 0;
  for (std::string_view rest = values.front(); !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view field = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const size_t equals = field.find('=');
    if (equals == std::string_view::npos) return std::string(values.front());
    const std::string_view name = field.substr(0, equals);
    Values numbers;
    for (const std::string_view value : values) {
      if (const std::string_view found = FieldOf(value, name); !found.empty()) {
        numbers.push_back(found);
      }
    }
    const std::optional<Number> number = CombineNumbers(rule, numbers);
    if (!number) return std::string(values.front());
    if (name == "calls") calls = number->value();
    if (name == "usec") usec = number->value();
    const bool is_mean = name == "usec_per_call" && calls != 0;
    combined += Concat(combined.empty() ? "" : ",", name, "=",
                       is_mean ? Written(usec / calls, 2) : Written(*number));
  }
  return combined;
}

std::string Combine(Rule rule, const Values& values) {
  if (rule == Rule::kFirst || values.size() == 1) return std::string(values.front());
  if (const auto number = CombineNumbers(rule, values)) return Written(*number);
  if (values.front().find('=') != std::string_view::npos) return CombineLists(rule, values);
  // "ok" only if all say so.
  for (const std::string_view value : values) {
    if (value != "ok") return std::string(value);
  }
  return std::string(values.front());
}

// ---- texts

struct Line {
  std::string_view name;  // of a field; else the whole line
  std::string_view value;
  bool is_field = false;
};

std::vector<Line> LinesOf(std::string_view text) {
  std::vector<Line> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    const size_t colon = line.find(':');
    const bool is_field = colon != std::string_view::npos && !line.starts_with('#');
    lines.push_back(is_field ? Line{line.substr(0, colon), line.substr(colon + 1), true}
                             : Line{line, {}, false});
  }
  return lines;
}

using Fields = absl::flat_hash_map<std::string_view, std::string_view>;

class Merger {
 public:
  explicit Merger(absl::Span<const std::string_view> parts) {
    for (const std::string_view part : parts) {
      lines_.push_back(LinesOf(part));
      Fields& fields = fields_.emplace_back();
      for (const Line& line : lines_.back()) {
        if (line.is_field) fields.emplace(line.name, line.value);
      }
    }
  }

  std::string Merged() {
    Rule section = Rule::kFirst;
    std::string_view prefix;  // of a section that may go on
    for (const Line& line : lines_.front()) {
      if (!line.is_field) {
        if (line.name.empty() || line.name.starts_with('#')) AddWhatOthersHave(&prefix, section);
        if (line.name.starts_with('#')) {
          const Named* const named = Find(kSections, line.name);
          section = named == nullptr ? Rule::kFirst : named->rule;
          prefix = PrefixOf(line.name);
        }
        out_ += Concat(line.name, "\r\n");
        continue;
      }
      const Named* const field = Find(kFields, line.name);
      Put(line.name, section == Rule::kFirst ? section : field == nullptr ? section : field->rule);
    }
    AddWhatOthersHave(&prefix, section);
    return std::move(out_);
  }

 private:
  static std::string_view PrefixOf(std::string_view section) {
    if (section == "# Commandstats") return kOpenPrefixes[0];
    if (section == "# Errorstats") return kOpenPrefixes[1];
    return section == "# Latencystats" ? kOpenPrefixes[2] : std::string_view();
  }

  static bool IsOpen(std::string_view name) {
    return std::any_of(std::begin(kOpenPrefixes), std::end(kOpenPrefixes),
                       [&](std::string_view prefix) { return name.starts_with(prefix); });
  }

  // Of all nodes that have it: of one at least, if it is the name of a line.
  Values ValuesOf(std::string_view name) const {
    Values values;
    for (const Fields& fields : fields_) {
      const auto found = fields.find(name);
      if (found != fields.end()) values.push_back(found->second);
    }
    return values;
  }

  double SumOf(std::string_view name) const {
    const auto sum = CombineNumbers(Rule::kSum, ValuesOf(name));
    return sum ? sum->value() : 0;
  }

  std::string ValueOf(std::string_view name, Rule rule) const {
    if (rule == Rule::kSum && fields_.size() > 1) {
      for (const Ratio& ratio : kRatios) {
        if (ratio.name != name) continue;
        const double under = SumOf(ratio.under) - SumOf(ratio.without);
        if (under == 0) continue;
        const double value = SumOf(ratio.over) / under;
        return ratio.percent ? Concat(Written(100 * value, 2), "%") : Written(value, 2);
      }
      if (name.ends_with(kHuman) && !IsOpen(name)) {
        const std::string_view bytes = name.substr(0, name.size() - kHuman.size());
        const Named* const field = Find(kFields, bytes);
        if ((field == nullptr || field->rule == Rule::kSum) && fields_.front().contains(bytes)) {
          return Human(SumOf(bytes));
        }
        return std::string(ValuesOf(name).front());
      }
    }
    return Combine(rule, ValuesOf(name));
  }

  void Put(std::string_view name, Rule rule) {
    put_.insert(name);
    out_ += Concat(name, ":", ValueOf(name, rule), "\r\n");
  }

  void AddWhatOthersHave(std::string_view* prefix, Rule rule) {
    if (prefix->empty()) return;
    for (const auto& lines : lines_) {
      for (const Line& line : lines) {
        if (line.is_field && line.name.starts_with(*prefix) && !put_.contains(line.name)) {
          Put(line.name, rule);
        }
      }
    }
    *prefix = {};
  }

  std::vector<std::vector<Line>> lines_;  // of each node
  std::vector<Fields> fields_;
  absl::flat_hash_set<std::string_view> put_;
  std::string out_;
};

}  // namespace

std::string MergeInfo(absl::Span<const std::string_view> parts) {
  if (parts.size() == 1) return std::string(parts.front());
  const std::string merged = Merger(parts).Merged();
  std::vector<std::string_view> texts(parts.begin(), parts.end());
  texts.front() = merged;
  return MergeInfoKeyspace(texts);
}

}  // namespace weir
