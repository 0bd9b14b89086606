#include "plugins/limit_script.h"

#include <nettle/base16.h>
#include <nettle/sha2.h>

#include <array>

#include "plugins/script_sha1.h"
#include "plugins/text.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"
#include "routing/slot_tag.h"

namespace weir {
namespace {

// First every limit is looked at; only if all have room is anything taken. Levels are compared
// with a millionth of a point to spare, because a period need not divide into its points.
constexpr std::string_view kScript = R"lua(
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local peek, wait_max, grant = ARGV[1] == 'peek', tonumber(ARGV[2]), tonumber(ARGV[3])
local limits, wait, refuses = {}, 0, 0
local function numbers(key)
  local text, list = redis.call('GET', key), {}
  if text then for n in string.gmatch(text, '%S+') do list[#list + 1] = tonumber(n) end end
  return list
end
for i, key in ipairs(KEYS) do
  local at = 4 + (i - 1) * 5
  local l = {key = key, algorithm = ARGV[at], points = tonumber(ARGV[at + 1]),
             period = tonumber(ARGV[at + 2]), all = tonumber(ARGV[at + 3]),
             cost = tonumber(ARGV[at + 4]), wait = 0}
  local a = l.algorithm
  if a == 'gcra' or a == 'token_bucket' then
    local state = numbers(key)
    l.level = math.max(0, (state[1] or 0) - math.max(0, now - (state[2] or now)) * l.points / l.period)
    l.room = math.floor(l.all - l.level + 0.000001)
    l.reset = l.level * l.period / l.points
    if l.room < l.cost then l.wait = (l.level + l.cost - l.all) * l.period / l.points end
  elseif a == 'fixed_window' then
    local state, number = numbers(key), math.floor(now / l.period)
    l.number, l.count = number, 0
    if state[1] and state[1] >= number then l.number, l.count = state[1], state[2] end
    l.room = l.points - l.count
    l.left = math.max(0, (l.number + 1) * l.period - now)
    l.reset = l.count == 0 and 0 or l.left
    if l.room < l.cost then l.wait = l.left end
  elseif a == 'sliding_window' then
    local state, number = numbers(key), math.floor(now / l.period)
    l.number, l.before, l.count = number, 0, 0
    if state[1] and state[1] >= number then
      l.number, l.before, l.count = state[1], state[2], state[3]
    elseif state[1] == number - 1 then
      l.before = state[3]
    end
    l.elapsed = math.max(0, now - l.number * l.period)
    local past = l.before * (l.period - l.elapsed) / l.period
    l.room = math.floor(l.points - l.count - past + 0.000001)
    l.reset = l.count > 0 and 2 * l.period - l.elapsed or l.before > 0 and l.period - l.elapsed or 0
    if l.room < l.cost then
      local function from(count, room) return count <= room and 0 or l.period * (1 - room / count) end
      if l.count + l.cost <= l.points then
        l.wait = from(l.before, l.points - l.count - l.cost) - l.elapsed
      else
        l.wait = l.period - l.elapsed + from(l.count, l.points - l.cost)
      end
    end
  else
    local least = '(' .. string.format('%.0f', now - l.period)
    l.count = redis.call('ZCOUNT', key, least, '+inf')
    l.room = l.points - l.count
    local newest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
    l.reset = l.count == 0 and 0 or tonumber(newest[2]) + l.period - now
    if l.room < l.cost and l.cost <= l.points then
      local nth = redis.call('ZRANGEBYSCORE', key, least, '+inf', 'WITHSCORES', 'LIMIT',
                             l.cost - l.room - 1, 1)
      l.wait = tonumber(nth[2]) + l.period - now
    end
  end
  if l.cost > 0 then grant = math.min(grant, math.floor(l.room / l.cost)) end
  if l.room < l.cost then
    l.wait = math.max(1, math.ceil(l.wait))
    if l.cost > l.all then l.wait = math.huge end
    if l.wait > wait then wait, refuses = l.wait, i end
  end
  limits[i] = l
end
local allowed = wait <= wait_max
if refuses > 0 then grant = allowed and 1 or 0 end
if allowed and not peek then
  for _, l in ipairs(limits) do
    local take = l.cost * grant
    if take > 0 then
      local state, keep
      if l.level then
        l.level = l.level + take
        l.room = math.max(0, math.floor(l.all - l.level + 0.000001))
        l.reset = l.level * l.period / l.points
        state, keep = string.format('%.9f %.0f', l.level, now), l.reset
      elseif l.algorithm == 'fixed_window' then
        l.count, l.room, l.reset = l.count + take, l.room - take, l.left
        state, keep = string.format('%.0f %.0f', l.number, l.count), l.left
      elseif l.algorithm == 'sliding_window' then
        l.count, l.room, l.reset = l.count + take, l.room - take, 2 * l.period - l.elapsed
        state, keep = string.format('%.0f %.0f %.0f', l.number, l.before, l.count), l.reset
      else
        redis.call('ZREMRANGEBYSCORE', l.key, '-inf', string.format('%.0f', now - l.period))
        local n, added = 0, 0
        while added < take do
          added = added + redis.call('ZADD', l.key, 'NX', string.format('%.0f', now),
                                     string.format('%.0f-%.0f', now, n))
          n = n + 1
        end
        l.room, l.reset = l.room - take, l.period
        redis.call('PEXPIRE', l.key, math.ceil(l.period / 1000) + 1)
      end
      if state then redis.call('SET', l.key, state, 'PX', math.ceil(keep / 1000) + 1) end
    end
  end
end
local about = refuses > 0 and limits[refuses] or limits[1]
if refuses == 0 then
  for i, l in ipairs(limits) do
    if l.room < about.room then about = l; refuses = i end
  end
  refuses = math.max(1, refuses)
end
local retry = -1
if not allowed and wait < math.huge then retry = wait end
return {allowed and 1 or 0, refuses - 1, math.max(0, about.room), math.ceil(about.reset), retry,
        grant, allowed and wait or 0}
)lua";

// The same for what is asked most, one gcra or token_bucket: without tables and loops it takes
// Redis a good deal less time.
constexpr std::string_view kBucketScript = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local points, period, all, cost = ARGV[5] + 0, ARGV[6] + 0, ARGV[7] + 0, ARGV[8] + 0
local grant, level = ARGV[3] + 0, 0
local state = redis.call('GET', KEYS[1])
if state then
  local space = string.find(state, ' ', 1, true)
  level = string.sub(state, 1, space - 1) + 0
  local passed = now - string.sub(state, space + 1)
  if passed > 0 then level = level - passed * points / period end
  if level < 0 then level = 0 end
end
local floor = math.floor
local room, wait, allowed = floor(all - level + 0.000001), 0, true
if room < cost then
  wait = math.max(1, math.ceil((level + cost - all) * period / points))
  allowed = cost <= all and wait <= ARGV[2] + 0
  grant = allowed and 1 or 0
elseif cost > 0 then
  grant = math.min(grant, floor(room / cost))
end
if allowed and cost > 0 and ARGV[1] == 'take' then
  level = level + cost * grant
  room = floor(all - level + 0.000001)
  local keep = level * period / points
  redis.call('SET', KEYS[1], string.format('%.9f %.0f', level, now), 'PX', math.ceil(keep / 1000) + 1)
end
if room < 0 then room = 0 end
return {allowed and 1 or 0, 0, room, math.ceil(level * period / points),
        (allowed or cost > all) and -1 or wait, grant, allowed and wait or 0}
)lua";

// The script that a question needs, or its hash.
std::string ScriptFor(const ScriptQuestion& question, bool with_text) {
  static const std::string bucket_hash = ScriptSha1(kBucketScript);
  static const std::string hash = ScriptSha1(kScript);
  const bool bucket = question.limits.size() == 1 &&
                      question.limits[0].shape.algorithm <= LimitAlgorithm::kTokenBucket;
  if (with_text) return std::string(bucket ? kBucketScript : kScript);
  return bucket ? bucket_hash : hash;
}

}  // namespace

std::string ScriptRequest(const ScriptQuestion& question, bool with_text) {
  std::vector<std::string> args;
  args.emplace_back(with_text ? "EVAL" : "EVALSHA");
  args.push_back(ScriptFor(question, with_text));
  args.push_back(Concat(question.limits.size()));
  for (const ScriptLimit& limit : question.limits) args.push_back(limit.key);
  args.emplace_back(question.peek ? "peek" : "take");
  args.push_back(Concat(question.wait_max_ms * 1000));
  args.push_back(Concat(question.grant_max));
  for (const ScriptLimit& limit : question.limits) {
    const LimitShape& shape = limit.shape;
    args.emplace_back(LimitAlgorithmName(shape.algorithm));
    args.push_back(Concat(shape.points));
    args.push_back(Concat(shape.period_ms * 1000));
    args.push_back(Concat(shape.capacity()));
    args.push_back(Concat(limit.cost));
  }
  std::string request;
  AppendRequestHeader(&request, args.size());
  for (const std::string& arg : args) AppendRequestArg(&request, arg);
  return request;
}

std::optional<ScriptAnswer> ParseScriptAnswer(std::string_view reply) {
  constexpr std::string_view kHeader = "*7\r\n";
  if (!reply.starts_with(kHeader)) return std::nullopt;
  reply.remove_prefix(kHeader.size());
  std::array<int64_t, 7> numbers;
  for (int64_t& number : numbers) {
    const size_t end = reply.find("\r\n");
    if (!reply.starts_with(':') || end == std::string_view::npos ||
        !ParseWireNumber(reply.substr(1, end - 1), &number)) {
      return std::nullopt;
    }
    reply.remove_prefix(end + 2);
  }
  ScriptAnswer answer;
  answer.allowed = numbers[0] == 1;
  answer.which = static_cast<uint64_t>(numbers[1]);
  answer.remaining = numbers[2];
  answer.reset_us = numbers[3];
  answer.retry_us = numbers[4];
  answer.grant = static_cast<uint64_t>(numbers[5]);
  answer.wait_us = static_cast<uint64_t>(numbers[6]);
  return answer;
}

std::string LimitKey(std::string_view tag_of, std::string_view name, LimitAlgorithm algorithm) {
  return Concat("weir:limit:{", SlotTag(tag_of), "}:", LimitAlgorithmName(algorithm), ":", name);
}

std::string HashedName(std::string_view text) {
  constexpr size_t kBytes = 16;
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, text.size(), reinterpret_cast<const uint8_t*>(text.data()));
  std::array<uint8_t, kBytes> digest;
  sha256_digest(&context, digest.size(), digest.data());
  std::string hex(BASE16_ENCODE_LENGTH(kBytes), '\0');
  base16_encode_update(hex.data(), digest.size(), digest.data());
  return hex;
}

}  // namespace weir
