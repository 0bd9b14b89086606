// The table of Redis' error replies, and the filling in of names.

#include "resp/errors.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"

namespace weir {
namespace {

// How a subject gets into its place.
enum class Fill : uint8_t {
  kPlain,
  kCut,       // subject 1 is cut to kNameBytesMax
  kCutShout,  // and subject 2 is written in upper case
};

constexpr size_t kNameBytesMax = 128;
// What an unknown command's arguments may fill of its error.
constexpr size_t kArgsBytesMax = 128;

struct Row {
  RedisError error;
  std::string_view text;  // "\1" and "\2": the places of the subjects
  Fill fill = Fill::kPlain;
};

// In the enum's order. Beside each, the function in Redis 7.0 that says it.
constexpr std::array<Row, kRedisErrorCount> kRows{{
    {RedisError::kSyntax, "-ERR syntax error"},  // shared.syntaxerr
    {RedisError::kNotAnInteger, "-ERR value is not an integer or out of range"},  // object.c
    {RedisError::kNoAuth, "-NOAUTH Authentication required."},  // shared.noautherr
    {RedisError::kNoPerm,
     "-NOPERM this user has no permissions to run the '\1' command"},  // rejectCommandFormat
    {RedisError::kMaxClients, "-ERR max number of clients reached"},   // acceptCommonHandler
    {RedisError::kWrongArgCount,
     "-ERR wrong number of arguments for '\1' command"},  // commandCheckArity
    {RedisError::kUnknownSubcommand, "-ERR unknown subcommand '\1'. Try \2 HELP.",
     Fill::kCutShout},  // commandCheckExistence
    {RedisError::kUnknownSubcommandOrArgs,
     "-ERR unknown subcommand or wrong number of arguments for '\1'. Try \2 HELP.",
     Fill::kCutShout},  // addReplySubcommandSyntaxError
    {RedisError::kHelloVersionNotAnInteger,
     "-ERR Protocol version is not an integer or out of range"},           // helloCommand
    {RedisError::kNoProto, "-NOPROTO unsupported protocol version"},       // helloCommand
    {RedisError::kHelloOption, "-ERR Syntax error in HELLO option '\1'"},  // helloCommand
    {RedisError::kHelloNoAuth,
     "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH "
     "<user> <pass> option can be used to authenticate the client and select the RESP protocol "
     "version at the same time"},  // helloCommand
    {RedisError::kHelloNoAuthSince72,
     "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
     "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
     "protocol version at the same time"},  // helloCommand
    {RedisError::kWrongPass,
     "-WRONGPASS invalid username-password pair or user is disabled."},  // authCommand
    {RedisError::kAuthWithoutPassword,
     "-ERR AUTH <password> called without any password configured for the default user. Are you "
     "sure your configuration is correct?"},                       // authCommand
    {RedisError::kDbOutOfRange, "-ERR DB index is out of range"},  // selectCommand
    {RedisError::kClientName,
     "-ERR Client names cannot contain spaces, newlines or special characters."},  // CLIENT SETNAME
    {RedisError::kClientId, "-ERR Invalid client ID"},                             // CLIENT LIST ID
    {RedisError::kClientIdNotPositive,
     "-ERR client-id should be greater than 0"},                               // CLIENT KILL ID
    {RedisError::kNoSuchClient, "-ERR No such client"},                        // CLIENT KILL
    {RedisError::kNoSuchUser, "-ERR No such user '\1'"},                       // CLIENT KILL USER
    {RedisError::kUnknownClientType, "-ERR Unknown client type '\1'"},         // CLIENT LIST TYPE
    {RedisError::kInvalidCommand, "-ERR Invalid command specified"},           // COMMAND GETKEYS
    {RedisError::kCommandHasNoKeys, "-ERR The command has no key arguments"},  // COMMAND GETKEYS
    {RedisError::kCommandArgCount,
     "-ERR Invalid number of arguments specified for command"},                  // COMMAND GETKEYS
    {RedisError::kCommandArgs, "-ERR Invalid arguments specified for command"},  // COMMAND GETKEYS
}};

constexpr bool RowsAreInOrder() {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].error) != i) return false;
  }
  return true;
}
static_assert(RowsAreInOrder());

// What printf("%.<max>s") takes of a C string.
std::string_view CString(std::string_view text, size_t bytes_max = std::string_view::npos) {
  return text.substr(0, std::min(text.find('\0'), bytes_max));
}

void AppendOneLine(std::string* out, std::string_view text) {
  for (const char c : text) out->push_back(c == '\r' || c == '\n' ? ' ' : c);
}

}  // namespace

std::string ErrorText(RedisError error, std::string_view subject, std::string_view second) {
  const Row& row = kRows[static_cast<size_t>(error)];
  std::string out;
  out.reserve(row.text.size() + subject.size() + second.size());
  for (const char c : row.text) {
    if (c == '\1') {
      const bool cut = row.fill != Fill::kPlain;
      AppendOneLine(&out, CString(subject, cut ? kNameBytesMax : std::string_view::npos));
    } else if (c == '\2') {
      std::string name(CString(second));
      if (row.fill == Fill::kCutShout) {
        for (char& letter : name) letter = absl::ascii_toupper(static_cast<unsigned char>(letter));
      }
      AppendOneLine(&out, name);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string UnknownCommandText(std::span<const std::string_view> args) {
  std::string begin;
  for (size_t i = 1; i < args.size() && begin.size() < kArgsBytesMax; ++i) {
    begin += "'";
    // The bound counts what was there before this argument, and not its quotes: as Redis does.
    AppendOneLine(&begin, CString(args[i], kArgsBytesMax + 1 - begin.size()));
    begin += "' ";
  }
  std::string out = "-ERR unknown command '";
  AppendOneLine(&out, CString(args.empty() ? "" : args[0], kNameBytesMax));
  return out + "', with args beginning with: " + begin;
}

}  // namespace weir
