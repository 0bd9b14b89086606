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

// Whether weir cannot tell by itself that there is such a user, or that there is none.
bool OnlyRedisKnows(const AuthConfig& config, std::string_view user) {
  return config.mode == AuthMode::kPassthrough ||
         (config.mode == AuthMode::kNone && !IsUser(config, user));
}

// Reads the filters of the new form.
class KillOptions {
 public:
  explicit KillOptions(const LocalCall& call) : call_(call), config_(*call.context.auth) {}

  // Returns the error reply to the first that is wrong; those before it are then in `filter`.
  std::optional<std::string> Read(ClientFilter* filter) {
    bool skip_me = true;
    for (uint32_t i = 2; i < call_.argc(); i += 2) {
      if (i + 1 == call_.argc()) return ErrorReply(RedisError::kSyntax);
      const std::string_view value = call_.arg(i + 1);
      if (call_.Is(i, "skipme")) {
        skip_me = IsKeyword(value, "yes");
        if (!skip_me && !IsKeyword(value, "no")) return ErrorReply(RedisError::kSyntax);
      } else if (auto error = ReadFilter(i, value, filter)) {
        return error;
      }
    }
    if (skip_me) filter->other_than_id = call_.conversation.id;
    return std::nullopt;
  }

 private:
  std::optional<std::string> ReadFilter(uint32_t i, std::string_view value, ClientFilter* filter) {
    if (call_.Is(i, "id")) return ReadId(value, filter);
    if (call_.Is(i, "maxage") && KnowsMaxAge()) return ReadMaxAge(value, filter);
    if (call_.Is(i, "type")) {
      filter->type = ParseClientType(value);
      if (!filter->type) return ErrorReply(RedisError::kUnknownClientType, value);
    } else if (call_.Is(i, "addr")) {
      filter->address = CString(value);
    } else if (call_.Is(i, "laddr")) {
      filter->local_address = CString(value);
    } else if (call_.Is(i, "user")) {
      filter->user = value;
      if (!OnlyRedisKnows(config_, value) && !IsUser(config_, value)) {
        return ErrorReply(RedisError::kNoSuchUser, value);
      }
    } else {
      return ErrorReply(RedisError::kSyntax);
    }
    return std::nullopt;
  }

  static std::optional<std::string> ReadId(std::string_view value, ClientFilter* filter) {
    int64_t id = 0;
    if (!ParseWireNumber(value, &id) || id < 1) return ErrorReply(RedisError::kClientIdNotPositive);
    filter->id = static_cast<uint64_t>(id);
    return std::nullopt;
  }

  bool KnowsMaxAge() const {
    return ParseVersion(call_.context.server->version) >= MakeVersion(7, 4);
  }

  static std::optional<std::string> ReadMaxAge(std::string_view value, ClientFilter* filter) {
    int64_t age_s = 0;
    if (!ParseWireNumber(value, &age_s)) {
      return ErrorReply("maxage is not an integer or out of range");
    }
    if (age_s < 1) return ErrorReply("maxage should be greater than 0");
    filter->age_min_s = age_s;
    return std::nullopt;
  }

  const LocalCall& call_;
  const AuthConfig& config_;
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

// Asks Redis whether there is such a user: to close that user's client of an id that no client has,
// which also asks for permission. If there is, goes on: with the error of a later option, or to
// work.
LocalOutcome AskUser(ClientFilter filter, std::optional<std::string> error) {
  const std::string no_id = std::to_string(std::numeric_limits<int64_t>::max());
  LocalOutcome outcome;
  outcome.kind = LocalOutcome::Kind::kAsk;
  AppendRequest(&outcome.ask.request, {"CLIENT", "KILL", "USER", *filter.user, "ID", no_id});
  if (error) {
    outcome.ask.finish = [error = *std::move(error)](Conversation&, std::string_view reply) {
      return reply.starts_with('-') ? std::string(reply) : error;
    };
    return outcome;
  }
  outcome.ask.permits = [](std::string_view reply) { return !reply.starts_with('-'); };
  outcome.gather = MakeGather(std::move(filter), false);
  return outcome;
}

}  // namespace

LocalOutcome AnswerClientKill(const LocalCall& call) {
  ClientFilter filter;
  if (call.argc() == 3) {
    filter.address = CString(call.arg(2));
    return GatherWithPermission(call, MakeGather(std::move(filter), true));
  }
  std::optional<std::string> error = KillOptions(call).Read(&filter);
  if (filter.user && OnlyRedisKnows(*call.context.auth, *filter.user)) {
    return AskUser(std::move(filter), std::move(error));
  }
  if (error) return SayBytes(*std::move(error));
  return GatherWithPermission(call, MakeGather(std::move(filter), false));
}

}  // namespace weir
