#include "plugins/idem_claim_script.h"

#include "plugins/script_sha1.h"
#include "plugins/text.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

// It needs no more of its user's permissions than GET, SET and TIME, so what goes is not deleted,
// but ends long ago (before Redis 6.2: in a moment).
//
// A renewal of what is not there claims it again: a failover may have lost it.
constexpr std::string_view kScript = R"lua(
local record, step, fingerprint, owner = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local ttl, body = ARGV[4], ARGV[6]
local kept = redis.call('GET', record)
if kept == '' then kept = false end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mine, holds_until = false, nil
if kept then
  if string.sub(kept, 1, 32) ~= fingerprint then return step == 'claim' and 'M' or 'L' end
  if string.sub(kept, 33, 33) == 'C' then
    mine = string.sub(kept, 34, 65) == owner
    holds_until = tonumber(string.sub(kept, 66)) or 0
  end
end
local function claim(ms)
  local kept_ms = math.max(tonumber(ttl), ms + 1000)
  redis.call('SET', record, fingerprint .. 'C' .. owner .. string.format('%.0f', now + ms), 'PX',
    string.format('%.0f', kept_ms))
end
if step == 'claim' then
  if kept and not holds_until then return 'R' .. string.sub(kept, 33) end
  if kept and not mine then
    if holds_until > now then return 'W' .. string.format('%.0f', holds_until - now) end
    if body ~= 'again' then return 'U' end
    claim(tonumber(ARGV[5]))
    return 'T'
  end
  claim(tonumber(ARGV[5]))
  return 'C'
end
if kept and not mine then
  if step == 'store' and kept == fingerprint .. body then return 'S' end
  return 'L'
end
if step == 'renew' then
  claim(tonumber(ARGV[5]))
elseif step == 'abandon' then
  claim(0)
elseif step == 'release' then
  if kept and redis.pcall('SET', record, '', 'PXAT', 1).err then
    redis.call('SET', record, '', 'PX', 1)
  end
else
  redis.call('SET', record, fingerprint .. body, 'PX', ttl)
end
return 'S'
)lua";

constexpr std::string_view kStepNames[] = {"claim", "renew", "abandon", "release", "store"};

}  // namespace

std::vector<std::string> ClaimArgs(const ClaimQuestion& question, ClaimStep step,
                                   std::string_view body, bool with_text) {
  static const std::string hash = ScriptSha1(kScript);
  if (step == ClaimStep::kClaim && question.run_again) body = "again";
  return {with_text ? "EVAL" : "EVALSHA",
          with_text ? std::string(kScript) : hash,
          "1",
          question.record,
          std::string(kStepNames[static_cast<size_t>(step)]),
          question.fingerprint,
          question.owner,
          Concat(question.ttl_ms),
          Concat(question.claim_ms),
          std::string(body)};
}

std::optional<ClaimAnswer> ParseClaimAnswer(std::string_view reply) {
  const size_t end = reply.find("\r\n");
  int64_t bytes = 0;
  if (!reply.starts_with('$') || end == std::string_view::npos ||
      !ParseWireNumber(reply.substr(1, end - 1), &bytes) || bytes < 1 ||
      reply.size() != end + 4 + static_cast<size_t>(bytes)) {
    return std::nullopt;
  }
  const std::string_view text = reply.substr(end + 2, static_cast<size_t>(bytes));
  if (std::string_view("CTWURMSL").find(text[0]) == std::string_view::npos) return std::nullopt;
  return ClaimAnswer{static_cast<ClaimEvent>(text[0]), text.substr(1)};
}

}  // namespace weir
