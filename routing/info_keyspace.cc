#include "routing/info_keyspace.h"

#include <charconv>
#include <map>
#include <utility>
#include <vector>

#include "routing/text.h"

namespace weir {
namespace {

constexpr std::string_view kSection = "# Keyspace\r\n";

// "keys=1,expires=0,avg_ttl=0" as names and numbers, in the order in which they were first seen.
using Numbers = std::vector<std::pair<std::string, uint64_t>>;

uint64_t& NumberOf(Numbers* numbers, std::string_view name) {
  for (auto& [known, number] : *numbers) {
    if (known == name) return number;
  }
  return numbers->emplace_back(name, 0).second;
}

struct Db {
  Numbers numbers;
  double ttl_weight = 0;  // the sum of avg_ttl x expires
};

uint64_t ParseNumber(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void AddLine(std::string_view fields, Db* db) {
  uint64_t expires = 0;
  uint64_t avg_ttl = 0;
  while (!fields.empty()) {
    const size_t comma = std::min(fields.find(','), fields.size());
    const std::string_view field = fields.substr(0, comma);
    fields.remove_prefix(std::min(comma + 1, fields.size()));
    const size_t equals = field.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = field.substr(0, equals);
    const uint64_t value = ParseNumber(field.substr(equals + 1));
    NumberOf(&db->numbers, name) += value;
    if (name == "expires") expires = value;
    if (name == "avg_ttl") avg_ttl = value;
  }
  db->ttl_weight += static_cast<double>(expires) * static_cast<double>(avg_ttl);
}

// Where the lines of the section stand in `info`; npos: it has none.
std::pair<size_t, size_t> FindSection(std::string_view info) {
  const size_t header = info.find(kSection);
  if (header == std::string_view::npos) return {std::string_view::npos, 0};
  size_t end = header + kSection.size();
  while (info.substr(end).starts_with("db")) {
    const size_t line_end = info.find("\r\n", end);
    if (line_end == std::string_view::npos) return {header + kSection.size(), info.size()};
    end = line_end + 2;
  }
  return {header + kSection.size(), end};
}

void AddSection(std::string_view info, std::map<uint64_t, Db>* dbs) {
  auto [at, end] = FindSection(info);
  if (at == std::string_view::npos) return;
  for (std::string_view lines = info.substr(at, end - at); !lines.empty();) {
    const size_t line_end = std::min(lines.find("\r\n"), lines.size());
    const std::string_view line = lines.substr(2, line_end - 2);
    lines.remove_prefix(std::min(line_end + 2, lines.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    AddLine(line.substr(colon + 1), &(*dbs)[ParseNumber(line)]);
  }
}

}  // namespace

std::string MergeInfoKeyspace(absl::Span<const std::string_view> parts) {
  const std::string_view first = parts.front();
  const auto [at, end] = FindSection(first);
  if (at == std::string_view::npos) return std::string(first);
  std::map<uint64_t, Db> dbs;
  for (const std::string_view part : parts) AddSection(part, &dbs);
  std::string merged(first.substr(0, at));
  for (auto& [number, db] : dbs) {
    const uint64_t expires = NumberOf(&db.numbers, "expires");
    NumberOf(&db.numbers, "avg_ttl") =
        expires == 0 ? 0 : static_cast<uint64_t>(db.ttl_weight / static_cast<double>(expires));
    merged += Concat("db", number, ":");
    std::string_view separator;
    for (const auto& [name, value] : db.numbers) {
      merged += Concat(separator, name, "=", value);
      separator = ",";
    }
    merged += "\r\n";
  }
  merged += first.substr(end);
  return merged;
}

}  // namespace weir
