// What strings of the configuration must look like: one check for each kind of string.
//
// Each returns OK, or InvalidArgument saying what was expected and what was found; those of
// secrets never repeat the value.
#ifndef WEIR_PROXY_CONFIG_CHECKS_H_
#define WEIR_PROXY_CONFIG_CHECKS_H_

#include <string>

#include "absl/status/status.h"

namespace weir {

absl::Status CheckListenAddress(const std::string& address);
absl::Status CheckAdminAddress(const std::string& address);  // "off", or TCP
absl::Status CheckUnixMode(const std::string& mode);
// Also refuses, as "not yet", what parses but this release cannot speak: TLS, clusters, sentinels.
absl::Status CheckHashTag(const std::string& tag);
absl::Status CheckFacadeAddress(const std::string& address);
absl::Status CheckUpstreamUrl(const std::string& url);
// "host:port=host:port", or "host=host".
absl::Status CheckAddressMapping(const std::string& mapping);
absl::Status CheckUpstreamName(const std::string& name);
absl::Status CheckClientName(const std::string& name);  // as CLIENT SETNAME wants it
absl::Status CheckUserName(const std::string& name);
absl::Status CheckPasswordHash(const std::string& password);
absl::Status CheckCommandPattern(const std::string& pattern);
absl::Status CheckLogTarget(const std::string& target);

}  // namespace weir

#endif  // WEIR_PROXY_CONFIG_CHECKS_H_
