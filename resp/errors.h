// The error replies of Redis that weir gives itself, in Redis' own words.
//
// One table (errors.cc) holds them, with the place in Redis that says each. A text starts with '-'
// and its error code and has no CRLF: hand it to ReplyWriter::Error. What weir has to say on its
// own account ("-TIMEOUT weir: ...") is not here but where it happens.

#ifndef WEIR_RESP_ERRORS_H_
#define WEIR_RESP_ERRORS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weir {

enum class RedisError : uint8_t {
  // Any command.
  kSyntax,
  kNotAnInteger,
  kNoAuth,
  kNoPerm,  // subject: the command as Redis names it
  kMaxClients,
  kWrongArgCount,            // subject: the command as Redis names it, "config|set"
  kUnknownSubcommand,        // subjects: the subcommand, the command; both as the client wrote them
  kUnknownSubcommandOrArgs,  // subjects: as above
  // HELLO, AUTH, SELECT.
  kHelloVersionNotAnInteger,
  kNoProto,
  kHelloOption,  // subject: the option as the client wrote it
  kHelloNoAuth,
  kHelloNoAuthSince72,  // its words in Redis 7.2 and Valkey
  kWrongPass,
  kAuthWithoutPassword,
  kDbOutOfRange,
  // CLIENT.
  kClientName,
  kClientId,
  kClientIdNotPositive,
  kNoSuchClient,
  kNoSuchUser,         // subject: the user
  kUnknownClientType,  // subject: the type
  // COMMAND.
  kInvalidCommand,
  kCommandHasNoKeys,
  kCommandArgCount,
  kCommandArgs,
};

inline constexpr int kRedisErrorCount = static_cast<int>(RedisError::kCommandArgs) + 1;

// The text with its subjects filled in as Redis does: ended at a NUL, cut to 128 bytes where Redis
// cuts, CR and LF made spaces, and a command's name in upper case where Redis shouts it.
std::string ErrorText(RedisError error, std::string_view subject = "",
                      std::string_view second = "");

// "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' ". `args` starts with the command.
std::string UnknownCommandText(std::span<const std::string_view> args);

}  // namespace weir

#endif  // WEIR_RESP_ERRORS_H_
