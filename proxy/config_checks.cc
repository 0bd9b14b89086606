// What strings of the configuration must look like: one check for each kind of string.
#include "proxy/config_checks.h"

#include <algorithm>
#include <string_view>

#include "plugins/config_errors.h"
#include "plugins/text.h"
#include "proxy/listen_address.h"
#include "routing/address_map.h"
#include "routing/command_policy.h"
#include "routing/upstream_url.h"

namespace weir {
namespace {

constexpr size_t kNameBytesMax = 64;
constexpr size_t kSha256HexBytes = 64;

absl::Status Unexpected(std::string_view expected, std::string_view found) {
  return InvalidArgument(Concat("expected ", expected, ", found \"", Printable(found), "\""));
}

bool IsOneOf(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

}  // namespace

absl::Status CheckListenAddress(const std::string& address) {
  return ParseListenAddress(address).status();
}

absl::Status CheckAdminAddress(const std::string& address) {
  if (address == "off") return absl::OkStatus();
  const absl::Status status = ParseTcpAddress(address).status();
  return status.ok() ? status : InvalidArgument(Concat(Message(status), " (or write \"off\")"));
}

absl::Status CheckUnixMode(const std::string& mode) {
  const bool good =
      (mode.size() == 3 || (mode.size() == 4 && mode[0] == '0')) &&
      std::all_of(mode.begin(), mode.end(), [](char c) { return c >= '0' && c <= '7'; });
  return good ? absl::OkStatus() : Unexpected("permissions in octal, as in \"0700\"", mode);
}

absl::Status CheckHashTag(const std::string& tag) {
  if (tag.empty() || tag.size() == 2) return absl::OkStatus();
  return Unexpected("two characters such as \"{}\", or none", tag);
}

absl::Status CheckFacadeAddress(const std::string& address) {
  if (address.empty() || ParseHostPort(address).ok()) return absl::OkStatus();
  return Unexpected("\"host:port\", as in \"192.0.2.1:6380\"", address);
}

absl::Status CheckUpstreamUrl(const std::string& text) {
  const absl::StatusOr<UpstreamUrl> url = ParseUpstreamUrl(text);
  if (!url.ok()) return url.status();
  if (!url->tls) return absl::OkStatus();
  return InvalidArgument(Concat("not yet: weir cannot speak ",
                                std::string_view(text).substr(0, text.find(':')),
                                ":// in this release, which needs TLS: leave the second \"s\" of "
                                "\"rediss\" away"));
}

absl::Status CheckAddressMapping(const std::string& mapping) {
  const size_t between = mapping.find('=');
  if (between == std::string::npos) {
    return Unexpected("\"FROM=TO\", as in \"10.0.0.1:6379=192.0.2.1:7000\"", mapping);
  }
  return AddressMap().Add(std::string_view(mapping).substr(0, between),
                          std::string_view(mapping).substr(between + 1));
}

absl::Status CheckUpstreamName(const std::string& name) {
  const bool good = !name.empty() && name.size() <= kNameBytesMax &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || IsOneOf(c, "_-");
                    });
  return good ? absl::OkStatus()
              : Unexpected("an upstream's name of 1 to 64 letters, digits, '_' and '-'", name);
}

absl::Status CheckClientName(const std::string& name) {
  const bool good =
      name.size() <= kNameBytesMax &&
      std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
  return good ? absl::OkStatus()
              : Unexpected("at most 64 printable characters without spaces", name);
}

absl::Status CheckUserName(const std::string& name) {
  const bool good =
      !name.empty() && name.find_first_of(std::string_view(" \0", 2)) == std::string::npos;
  return good ? absl::OkStatus() : Unexpected("a user's name without spaces", name);
}

absl::Status CheckPasswordHash(const std::string& password) {
  const bool good = password.size() == 1 + kSha256HexBytes && password[0] == '#' &&
                    std::all_of(password.begin() + 1, password.end(),
                                [](char c) { return IsOneOf(c, "0123456789abcdef"); });
  if (good) return absl::OkStatus();
  return InvalidArgument(
      "expected \"#\" and the 64 lower-case hex digits of the password's SHA-256, never the "
      "password itself; this makes them: printf %s 'PASSWORD' | sha256sum");
}

absl::Status CheckCommandPattern(const std::string& pattern) {
  return CommandPolicy::Parse({pattern}, {}).status();
}

absl::Status CheckLogTarget(const std::string& target) {
  if (!target.empty() && target.find('\0') == std::string::npos) return absl::OkStatus();
  return Unexpected("\"stderr\" or the path of a file", target);
}

}  // namespace weir
