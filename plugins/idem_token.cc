#include "plugins/idem_token.h"

#include "plugins/text.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

constexpr int64_t kNumberMax = 1000;

// "NAME(INSIDE)": what is inside.
std::optional<std::string_view> Inside(std::string_view text, std::string_view name) {
  if (!text.starts_with(name)) return std::nullopt;
  text.remove_prefix(name.size());
  if (text.size() < 3 || text.front() != '(' || text.back() != ')') return std::nullopt;
  return text.substr(1, text.size() - 2);
}

// The argument that is meant; 0: there is none.
uint32_t ArgumentOf(int64_t n, const ArgList& args) {
  const int64_t at = n > 0 ? n : args.size() + n;
  return at >= 1 && at < args.size() ? static_cast<uint32_t>(at) : 0;
}

// Where the fields of XADD begin, behind its options and the ID.
uint32_t FieldsOfXadd(const ArgList& args) {
  uint32_t i = 2;
  while (i < args.size()) {
    if (IsKeyword(args[i], "nomkstream")) {
      ++i;
    } else if (IsKeyword(args[i], "maxlen") || IsKeyword(args[i], "minid")) {
      ++i;
      if (i < args.size() && (args[i] == "=" || args[i] == "~")) ++i;
      ++i;
    } else if (IsKeyword(args[i], "limit")) {
      i += 2;
    } else {
      break;
    }
  }
  return i + 1;
}

// The argument that names the field; 0: there is none.
uint32_t FieldOf(const std::string& name, const ArgList& args) {
  uint32_t i = 0;
  if (IsKeyword(args[0], "xadd")) i = FieldsOfXadd(args);
  if (IsKeyword(args[0], "hset") || IsKeyword(args[0], "hmset") || IsKeyword(args[0], "hsetnx")) {
    i = 2;
  }
  if (i == 0) return 0;
  for (; i + 1 < args.size(); i += 2) {
    if (args[i] == name) return i;
  }
  return 0;
}

// Where the n-th part of a key begins, and its length; npos: it has fewer.
std::pair<size_t, size_t> PartOf(std::string_view key, int64_t n) {
  size_t begin = 0;
  for (int64_t i = 1; i < n; ++i) {
    const size_t colon = key.find(':', begin);
    if (colon == std::string_view::npos) return {std::string_view::npos, 0};
    begin = colon + 1;
  }
  const size_t end = key.find(':', begin);
  return {begin, (end == std::string_view::npos ? key.size() : end) - begin};
}

std::string WithoutPart(std::string_view key, int64_t n) {
  const auto [begin, size] = PartOf(key, n);
  std::string rest(key);
  // With one of the colons beside it.
  if (begin + size < key.size()) {
    rest.erase(begin, size + 1);
  } else {
    rest.erase(begin == 0 ? 0 : begin - 1);
  }
  return rest;
}

}  // namespace

std::optional<IdemTokenSource> ParseIdemTokenSource(std::string_view text) {
  using Kind = IdemTokenSource::Kind;
  if (text == "key") return IdemTokenSource{.kind = Kind::kKey};
  int64_t n = 0;
  if (const auto inside = Inside(text, "arg")) {
    if (!ParseWireNumber(*inside, &n) || n == 0 || n < -kNumberMax || n > kNumberMax) {
      return std::nullopt;
    }
    return IdemTokenSource{.kind = Kind::kArgument, .n = n};
  }
  if (const auto inside = Inside(text, "key_part")) {
    if (!ParseWireNumber(*inside, &n) || n < 1 || n > kNumberMax) return std::nullopt;
    return IdemTokenSource{.kind = Kind::kKeyPart, .n = n};
  }
  if (const auto inside = Inside(text, "field")) {
    return IdemTokenSource{.kind = Kind::kField, .name = std::string(*inside)};
  }
  return std::nullopt;
}

std::string_view FindIdemToken(const IdemTokenSource& source, const ArgList& args, uint32_t key) {
  switch (source.kind) {
    case IdemTokenSource::Kind::kArgument: {
      const uint32_t at = ArgumentOf(source.n, args);
      return at == 0 ? std::string_view() : args[at];
    }
    case IdemTokenSource::Kind::kKey:
      return args[key];
    case IdemTokenSource::Kind::kKeyPart: {
      const auto [begin, size] = PartOf(args[key], source.n);
      return begin == std::string_view::npos ? std::string_view() : args[key].substr(begin, size);
    }
    case IdemTokenSource::Kind::kField: {
      const uint32_t at = FieldOf(source.name, args);
      return at == 0 ? std::string_view() : args[at + 1];
    }
  }
  return {};
}

std::vector<std::string> StripIdemToken(const IdemTokenSource& source, const ArgList& args,
                                        uint32_t key) {
  uint32_t from = 0;
  uint32_t count = 0;
  if (source.kind == IdemTokenSource::Kind::kArgument) {
    from = ArgumentOf(source.n, args);
    count = 1;
  } else if (source.kind == IdemTokenSource::Kind::kField) {
    from = FieldOf(source.name, args);
    count = 2;
  }
  std::vector<std::string> rest;
  for (uint32_t i = 0; i < args.size(); ++i) {
    if (i >= from && i < from + count) continue;
    const bool in_key = source.kind == IdemTokenSource::Kind::kKeyPart && i == key;
    rest.push_back(in_key ? WithoutPart(args[i], source.n) : std::string(args[i]));
  }
  return rest;
}

}  // namespace weir
