// CLIENT KILL, in its old form (an address) and its new one (filters).
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "proxy/client/authenticator.h"
#include "proxy/client/client_filters.h"
#include "proxy/client/local_call.h"
#include "proxy/client/permission.h"
#include "proxy/client/server_version.h"
#include "proxy/config.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

// Reads the filters of the new form; nullopt when all are well-formed, else what Redis says.
class KillOptions {
 public:
  explicit KillOptions(const LocalCall& call) : call_(call) {}

  std::optional<LocalOutcome> Read(ClientFilter* filter) {
    bool skip_me = true;
    for (uint32_t i = 2; i < call_.argc(); i += 2) {
      if (i + 1 == call_.argc()) return SayError(RedisError::kSyntax);
      const std::string_view value = call_.arg(i + 1);
      if (call_.Is(i, "skipme")) {
        skip_me = IsKeyword(value, "yes");
        if (!skip_me && !IsKeyword(value, "no")) return SayError(RedisError::kSyntax);
      } else if (auto error = ReadFilter(i, value, filter)) {
        return error;
      }
    }
    if (skip_me) filter->other_than_id = call_.conversation.id;
    return std::nullopt;
  }

 private:
  std::optional<LocalOutcome> ReadFilter(uint32_t i, std::string_view value, ClientFilter* filter) {
    if (call_.Is(i, "id")) return ReadId(value, filter);
    if (call_.Is(i, "maxage") && KnowsMaxAge()) return ReadMaxAge(value, filter);
    if (call_.Is(i, "type")) {
      filter->type = ParseClientType(value);
      if (!filter->type) return SayError(RedisError::kUnknownClientType, value);
    } else if (call_.Is(i, "addr")) {
      filter->address = CString(value);
    } else if (call_.Is(i, "laddr")) {
      filter->local_address = CString(value);
    } else if (call_.Is(i, "user")) {
      filter->user = value;
    } else {
      return SayError(RedisError::kSyntax);
    }
    return std::nullopt;
  }

  static std::optional<LocalOutcome> ReadId(std::string_view value, ClientFilter* filter) {
    int64_t id = 0;
    if (!ParseWireNumber(value, &id) || id < 1) return SayError(RedisError::kClientIdNotPositive);
    filter->id = static_cast<uint64_t>(id);
    return std::nullopt;
  }

  bool KnowsMaxAge() const {
    return ParseVersion(call_.context.server->version) >= MakeVersion(7, 4);
  }

  static std::optional<LocalOutcome> ReadMaxAge(std::string_view value, ClientFilter* filter) {
    int64_t age_s = 0;
    if (!ParseWireNumber(value, &age_s)) {
      return SayError("maxage is not an integer or out of range");
    }
    if (age_s < 1) return SayError("maxage should be greater than 0");
    filter->age_min_s = age_s;
    return std::nullopt;
  }

  const LocalCall& call_;
};

// Closes the clients of one worker that match; says how many in decimal.
void KillMatching(const ClientFilter& filter, ClientTable& clients, std::string* out) {
  // First all are looked at: a client that closes leaves the table.
  std::vector<uint64_t> ids;
  clients.ForEach([&](const ClientRow& row) {
    if (filter.Matches(row)) ids.push_back(row.id);
  });
  size_t killed = 0;
  for (const uint64_t id : ids) killed += clients.Kill(id) ? 1 : 0;
  *out = std::to_string(killed);
}

// The same in either protocol version.
std::string SayKilled(bool old_form, const std::vector<std::string>& parts) {
  int64_t killed = 0;
  for (const std::string& part : parts) {
    int64_t killed_by_worker = 0;
    if (ParseWireNumber(part, &killed_by_worker)) killed += killed_by_worker;
  }
  if (old_form) {
    return killed == 0 ? ErrorReply(RedisError::kNoSuchClient) : std::string(kOkReply);
  }
  return MakeReply(2, [killed](ReplyWriter& reply) { reply.Integer(killed); });
}

LocalOutcome::Gather MakeGather(ClientFilter filter, bool old_form) {
  LocalOutcome::Gather gather;
  gather.visit = [filter = std::move(filter)](ClientTable& clients, std::string* out) {
    KillMatching(filter, clients, out);
  };
  gather.combine = [old_form](Conversation&, const std::vector<std::string>& parts) {
    return SayKilled(old_form, parts);
  };
  return gather;
}

// Only Redis knows whether there is such a user. It is told to close that user's client of an id
// that no client has, which also asks it for permission.
LocalOutcome AskUser(ClientFilter filter) {
  const std::string no_id = std::to_string(std::numeric_limits<int64_t>::max());
  LocalOutcome outcome;
  outcome.kind = LocalOutcome::Kind::kAsk;
  AppendRequest(&outcome.ask.request, {"CLIENT", "KILL", "USER", *filter.user, "ID", no_id});
  outcome.ask.serial = true;
  outcome.ask.permits = [](std::string_view reply) { return !reply.starts_with('-'); };
  outcome.gather = MakeGather(std::move(filter), false);
  return outcome;
}

// Whether weir can tell by itself that the user exists, or that it does not.
bool OnlyRedisKnows(const AuthConfig& config, std::string_view user) {
  switch (config.mode) {
    case AuthMode::kNone:
      return !IsUser(config, user);
    case AuthMode::kUsers:
      return false;
    case AuthMode::kPassthrough:
      break;
  }
  return true;
}

}  // namespace

LocalOutcome AnswerClientKill(const LocalCall& call) {
  ClientFilter filter;
  const bool old_form = call.argc() == 3;
  if (old_form) {
    filter.address = CString(call.arg(2));
  } else if (auto error = KillOptions(call).Read(&filter)) {
    return *error;
  }
  if (filter.user) {
    if (OnlyRedisKnows(*call.context.auth, *filter.user)) return AskUser(std::move(filter));
    if (!IsUser(*call.context.auth, *filter.user)) {
      return SayError(RedisError::kNoSuchUser, *filter.user);
    }
  }
  return GatherWithPermission(call, MakeGather(std::move(filter), old_form));
}

}  // namespace weir
