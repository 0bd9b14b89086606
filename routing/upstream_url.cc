#include "routing/upstream_url.h"

#include <charconv>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr uint16_t kDefaultPort = 6379;
constexpr uint16_t kDefaultSentinelPort = 26379;
constexpr size_t kUrlBytesMax = 16384;
constexpr size_t kEndpointsMax = 1024;
constexpr int kDbMax = 1'000'000;  // far above any server's `databases`, far below an overflow

struct Scheme {
  std::string_view name;
  UpstreamKind kind;
  bool tls;
  bool unix_socket;
};

constexpr Scheme kSchemes[] = {
    {"redis", UpstreamKind::kSingle, false, false},
    {"rediss", UpstreamKind::kSingle, true, false},
    {"unix", UpstreamKind::kSingle, false, true},
    {"redis+unix", UpstreamKind::kSingle, false, true},
    {"redis+cluster", UpstreamKind::kCluster, false, false},
    {"rediss+cluster", UpstreamKind::kCluster, true, false},
    {"redis+sentinel", UpstreamKind::kSentinel, false, false},
    {"rediss+sentinel", UpstreamKind::kSentinel, true, false},
    {"redis+sharded", UpstreamKind::kSharded, false, false},
    {"rediss+sharded", UpstreamKind::kSharded, true, false},
};

const Scheme* FindScheme(std::string_view name) {
  for (const Scheme& scheme : kSchemes) {
    if (EqualsIgnoreCase(scheme.name, name)) return &scheme;
  }
  return nullptr;
}

std::string SchemeNames() {
  std::string names;
  for (const Scheme& scheme : kSchemes) {
    names += Concat(names.empty() ? "" : ", ", scheme.name, "://");
  }
  return names;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = ToLower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

template <typename T>
bool ParseNumber(std::string_view text, T max, T* number) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *number);
  return !text.empty() && text[0] != '-' && result.ec == std::errc() && result.ptr == end &&
         *number <= max;
}

// Cuts `text` at the first `separator` and returns what follows it; no value if there is none.
std::optional<std::string_view> CutAt(std::string_view* text, char separator) {
  const size_t at = text->find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text->substr(at + 1);
  *text = text->substr(0, at);
  return rest;
}

// Parses one URL. Every part is a view into url_, so that an error can say where it stands. Errors
// name positions and what is expected; text is quoted only from parts that hold no secret.
class UrlParser {
 public:
  explicit UrlParser(std::string_view url) : url_(url) {}

  absl::StatusOr<UpstreamUrl> Parse() {
    if (!ParseAll()) return absl::InvalidArgumentError(error_);
    return std::move(result_);
  }

 private:
  bool ParseAll() {
    if (url_.size() > kUrlBytesMax) return Fail(url_, "an upstream URL of at most 16384 bytes");
    const size_t colon = url_.find("://");
    const Scheme* scheme =
        colon == std::string_view::npos ? nullptr : FindScheme(url_.substr(0, colon));
    if (scheme == nullptr) return Fail(url_.substr(0, 0), "one of " + SchemeNames());
    result_.kind = scheme->kind;
    result_.tls = scheme->tls;
    std::string_view rest = url_.substr(colon + 3);
    // '#' has no meaning here, and in a password it is a common mistake.
    if (const size_t hash = rest.find('#'); hash != std::string_view::npos) {
      return Fail(rest.substr(hash, 0), "%23 instead of '#'");
    }
    const std::optional<std::string_view> query = CutAt(&rest, '?');
    if (scheme->unix_socket) {
      if (!ParseUnix(rest)) return false;
    } else if (!ParseNetwork(rest)) {
      return false;
    }
    return !query.has_value() || ParseQuery(*query);
  }

  // unix://path, unix:///path and, as redis-py writes it, unix://user:password@/path.
  bool ParseUnix(std::string_view rest) {
    if (!CutCredentials(&rest, rest.size())) return false;
    UpstreamUrl::Endpoint endpoint;
    if (!Decode(rest, "the socket's path", &endpoint.host)) return false;
    if (endpoint.host.empty()) return Fail(rest, "the path of a unix socket");
    result_.endpoints.push_back(std::move(endpoint));
    return true;
  }

  bool ParseNetwork(std::string_view rest) {
    if (!CutCredentials(&rest, rest.find('/'))) return false;
    const size_t slash = rest.find('/');
    if (slash != std::string_view::npos && rest.find('@', slash) != std::string_view::npos) {
      return Fail(rest.substr(slash), "%2F instead of '/' in a user or password");
    }
    const std::optional<std::string_view> path = CutAt(&rest, '/');
    if (!ParseEndpoints(rest)) return false;
    std::string_view db = path.value_or(rest.substr(rest.size()));
    if (result_.kind == UpstreamKind::kSentinel) {
      std::string_view name = db;
      db = CutAt(&name, '/').value_or(name.substr(name.size()));
      if (!Decode(name, "the primary's name", &result_.primary_name)) return false;
      if (result_.primary_name.empty()) {
        return Fail(name, "'/' and the name that the sentinels know the primary by");
      }
    }
    return db.empty() || ParseDb(db);
  }

  // [user[:password]@] at the start; the last '@' before `limit` ends it, so that one in a password
  // needs no encoding.
  bool CutCredentials(std::string_view* rest, size_t limit) {
    const size_t at = rest->substr(0, limit).rfind('@');
    if (at == std::string_view::npos) return true;
    std::string_view user = rest->substr(0, at);
    *rest = rest->substr(at + 1);
    const std::optional<std::string_view> password = CutAt(&user, ':');
    return Decode(user, "the user", &result_.user) &&
           (!password.has_value() || Decode(*password, "the password", &result_.password));
  }

  bool ParseEndpoints(std::string_view list) {
    std::optional<std::string_view> rest = list;
    while (rest.has_value()) {
      std::string_view item = *rest;
      rest = CutAt(&item, ',');
      if (result_.endpoints.size() == kEndpointsMax) return Fail(item, "at most 1024 servers");
      if (!ParseEndpoint(item)) return false;
    }
    return true;
  }

  bool ParseEndpoint(std::string_view text) {
    UpstreamUrl::Endpoint endpoint;
    endpoint.port = result_.kind == UpstreamKind::kSentinel ? kDefaultSentinelPort : kDefaultPort;
    std::string_view port = text.substr(text.size());
    bool has_port = false;
    if (text.substr(0, 1) == "[") {
      const size_t close = text.find(']');
      if (close == std::string_view::npos) return Fail(text, "']' after an IPv6 address");
      endpoint.host = text.substr(1, close - 1);
      const std::string_view after = text.substr(close + 1);
      has_port = !after.empty();
      if (has_port && after[0] != ':') return Fail(after, "':' and a port after ']'");
      port = after.substr(has_port ? 1 : 0);
      if (endpoint.host.find(':') == std::string::npos) {
        return Fail(text.substr(1), "an IPv6 address in brackets");
      }
    } else {
      std::string_view host = text;
      if (const auto after = CutAt(&host, ':')) {
        has_port = true;
        port = *after;
        if (port.find(':') != std::string_view::npos) {
          return Fail(text, "an IPv6 address in brackets, such as [::1]:6379");
        }
      }
      if (!Decode(host, "the host", &endpoint.host)) return false;
    }
    if (!CheckHost(text, endpoint.host)) return false;
    if (has_port &&
        (!ParseNumber<uint16_t>(port, UINT16_MAX, &endpoint.port) || endpoint.port == 0)) {
      return Fail(port, "a port from 1 to 65535");
    }
    result_.endpoints.push_back(std::move(endpoint));
    return true;
  }

  bool CheckHost(std::string_view where, std::string_view host) {
    if (host.empty()) return Fail(where, "a host name or IP address");
    const std::string_view refused = where.substr(0, 1) == "[" ? "/[],@?#" : ":/[],@?#%";
    for (const char c : host) {
      if (static_cast<unsigned char>(c) <= ' ' || refused.find(c) != std::string_view::npos) {
        return Fail(where, "a host name or IP address without blanks and punctuation");
      }
    }
    return true;
  }

  bool ParseDb(std::string_view text) {
    if (!ParseNumber(text, kDbMax, &result_.db)) {
      return Fail(text, "a database number such as 0");
    }
    if (result_.db != 0 && result_.kind == UpstreamKind::kCluster) {
      return Fail(text, "database 0, the only one that a cluster has");
    }
    return true;
  }

  bool ParseQuery(std::string_view query) {
    std::optional<std::string_view> rest = query;
    while (rest.has_value()) {
      std::string_view value = *rest;
      rest = CutAt(&value, '&');
      if (value.empty()) continue;
      std::string_view name = value;
      const std::optional<std::string_view> text = CutAt(&name, '=');
      if (name != "db" || !text.has_value()) {
        return Fail(value, "db=N, the only option; all else is configured in [upstream.NAME]");
      }
      if (!ParseDb(*text)) return false;
    }
    return true;
  }

  bool Decode(std::string_view text, std::string_view part, std::string* decoded) {
    decoded->clear();
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '%') {
        *decoded += text[i];
        continue;
      }
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Fail(text.substr(i, 0), Concat("two hexadecimal digits after '%' in ", part));
      }
      *decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (decoded->find('\0') != std::string::npos) {
      return Fail(text.substr(0, 0), Concat("no NUL byte in ", part));
    }
    return true;
  }

  // `where` is a view into url_.
  bool Fail(std::string_view where, std::string_view expected) {
    const size_t at = static_cast<size_t>(where.data() - url_.data());
    error_ = Concat("upstream URL, character ", std::to_string(at + 1), ": expected ", expected);
    return false;
  }

  const std::string_view url_;
  UpstreamUrl result_;
  std::string error_;
};

// Percent-encoded where the text would otherwise not be read back as it is.
std::string Encode(std::string_view text, std::string_view safe) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool alphanumeric = (ToLower(c) >= 'a' && ToLower(c) <= 'z') || (c >= '0' && c <= '9');
    if (alphanumeric || safe.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

}  // namespace

std::string_view UpstreamKindName(UpstreamKind kind) {
  constexpr std::string_view kNames[] = {"single", "cluster", "sentinel", "sharded"};
  return kNames[static_cast<size_t>(kind)];
}

std::string UpstreamUrl::ToString() const {
  std::string text;
  for (const Scheme& scheme : kSchemes) {
    if (scheme.kind == kind && scheme.tls == tls && scheme.unix_socket == is_unix()) {
      text = Concat(scheme.name, "://");
      break;
    }
  }
  if (has_credentials()) {
    // A user alone is most likely a password that lacks its colon.
    text += password.empty() ? "***@" : Concat(Encode(user, "-._~"), ":***@");
  }
  std::string_view separator;
  for (const Endpoint& endpoint : endpoints) {
    const bool ipv6 = endpoint.host.find(':') != std::string::npos;
    text += separator;
    if (endpoint.port == 0) {
      text += Encode(endpoint.host, "-._~/");
    } else {
      text += ipv6 ? Concat("[", endpoint.host, "]") : Encode(endpoint.host, "-._~");
      text += Concat(":", std::to_string(endpoint.port));
    }
    separator = ",";
  }
  if (kind == UpstreamKind::kSentinel) text += Concat("/", Encode(primary_name, "-._~"));
  if (db != 0) text += Concat(is_unix() ? "?db=" : "/", std::to_string(db));
  return text;
}

absl::StatusOr<UpstreamUrl> ParseUpstreamUrl(std::string_view url) {
  return UrlParser(url).Parse();
}

}  // namespace weir
