#include "plugins/idem_script.h"

#include "plugins/limit_script.h"
#include "plugins/script_sha1.h"
#include "plugins/text.h"
#include "resp/wire_text.h"
#include "routing/slot_tag.h"

namespace weir {
namespace {

// What could go wrong with the record is found out before the command runs: its key is one of
// KEYS, so EVALSHA itself needs the permission to write it, and SET is asked for here. Once the
// command has written, Redis refuses the SET for no other reason.
//
// READONLY is no answer of the command's: weir looks for the primary.
// 16000000: a reply that weir could not collect whole is not answered at all.
constexpr std::string_view kScript = R"lua(
local record, fingerprint, tag, options = KEYS[1], ARGV[1], ARGV[4], ARGV[5]
local kept = redis.call('GET', record)
if kept then
  if string.sub(kept, 1, 32) ~= fingerprint then return 'M' .. tag end
  return 'R' .. tag .. string.sub(kept, 33)
end
if redis.acl_check_cmd and not redis.acl_check_cmd('SET', record, '', 'PX', ARGV[2]) then
  return redis.error_reply('-NOPERM the record cannot be written: the user needs the command SET')
end
local reply = redis.pcall(unpack(ARGV, 6))
local is_error = type(reply) == 'table' and reply.err
if is_error and string.sub(is_error, 1, 9) == 'READONLY ' then return reply end
local out, exact = {}, true
local function whole(n)
  if n < 9007199254740992 and n > -9007199254740992 then return string.format('%.0f', n) end
  local how, text = string.sub(options, 2), nil
  if how == 'g' then text = redis.pcall('GET', KEYS[2]) end
  if how == 'h' then text = redis.pcall('HGET', KEYS[2], ARGV[8]) end
  if type(text) == 'string' then return text end
  exact = false
  return '0'
end
local function put(value)
  local kind = type(value)
  if kind == 'string' then
    out[#out + 1] = '$' .. #value .. '\r\n' .. value .. '\r\n'
  elseif kind == 'number' then
    out[#out + 1] = ':' .. whole(value) .. '\r\n'
  elseif kind ~= 'table' then
    out[#out + 1] = '$-1\r\n'
  elseif value.ok then
    out[#out + 1] = '+' .. value.ok .. '\r\n'
  elseif value.err then
    out[#out + 1] = '-' .. value.err .. '\r\n'
  else
    out[#out + 1] = '*' .. #value .. '\r\n'
    for i = 1, #value do put(value[i]) end
  end
end
put(reply)
local bytes = table.concat(out)
if is_error and string.sub(options, 1, 1) ~= 'e' then return 'E' .. tag .. '=' .. bytes end
local body, said = '=' .. bytes, nil
if not exact then
  body = 'X'
elseif #bytes > tonumber(ARGV[3]) then
  said = body
  body = 'L' .. #bytes
end
redis.call('SET', record, fingerprint .. body, 'PX', ARGV[2])
if said and #bytes > 16000000 then said = nil end
return 'F' .. tag .. (said or body)
)lua";

constexpr size_t kTagBytes = 3;  // the shape's letter and two digits

// With its length before it, so that no two lists of texts are the same.
void AppendSized(std::string* out, std::string_view text) {
  *out += Concat(text.size(), ":", text);
}

std::string TagOf(IdemShape shape, size_t rule) {
  std::string tag(1, static_cast<char>(shape));
  tag += static_cast<char>('0' + rule / 10 % 10);
  tag += static_cast<char>('0' + rule % 10);
  return tag;
}

}  // namespace

std::string IdemRecordKey(const IdemScope& scope, std::string_view token, std::string_view key) {
  std::string text;
  AppendSized(&text, scope.rule);
  AppendSized(&text, scope.user);
  AppendSized(&text, token);
  return Concat("weir:idem:{", SlotTag(key), "}:", HashedName(text));
}

std::string IdemFingerprint(const ArgList& args) {
  std::string text;
  AppendSized(&text, ToLower(args[0]));
  for (uint32_t i = 1; i < args.size(); ++i) AppendSized(&text, args[i]);
  return HashedName(text);
}

std::vector<std::string> IdemScriptArgs(const IdemQuestion& question, const IdemPlan& plan,
                                        const ArgList& args) {
  static const std::string hash = ScriptSha1(kScript);
  std::vector<std::string> all;
  all.reserve(9 + plan.keys.size() + args.size());
  all.emplace_back("EVALSHA");
  all.push_back(hash);
  all.push_back(Concat(1 + plan.keys.size()));
  all.push_back(question.record);
  for (const uint32_t key : plan.keys) all.emplace_back(args[key]);
  all.push_back(IdemFingerprint(args));
  all.push_back(Concat(question.ttl_ms));
  all.push_back(Concat(question.reply_bytes_max));
  all.push_back(TagOf(plan.shape, question.rule));
  const char options[] = {question.record_errors ? 'e' : '-', static_cast<char>(plan.exact)};
  all.emplace_back(options, sizeof(options));
  for (uint32_t i = 0; i < args.size(); ++i) all.emplace_back(args[i]);
  return all;
}

std::string_view IdemScriptText() { return kScript; }

std::optional<IdemAnswer> ParseIdemAnswer(std::string_view reply) {
  const size_t end = reply.find("\r\n");
  int64_t bytes = 0;
  if (!reply.starts_with('$') || end == std::string_view::npos ||
      !ParseWireNumber(reply.substr(1, end - 1), &bytes) ||
      bytes < static_cast<int64_t>(1 + kTagBytes) ||
      reply.size() != end + 4 + static_cast<size_t>(bytes)) {
    return std::nullopt;
  }
  const std::string_view text = reply.substr(end + 2, static_cast<size_t>(bytes));
  const std::optional<IdemShape> shape = IdemShapeOf(text[1]);
  const bool digits = text[2] >= '0' && text[2] <= '9' && text[3] >= '0' && text[3] <= '9';
  if (!shape || !digits || std::string_view("FREM").find(text[0]) == std::string_view::npos) {
    return std::nullopt;
  }
  IdemAnswer answer;
  answer.event = static_cast<IdemEvent>(text[0]);
  answer.shape = *shape;
  answer.rule = static_cast<size_t>(text[2] - '0') * 10 + static_cast<size_t>(text[3] - '0');
  const std::string_view rest = text.substr(1 + kTagBytes);
  if (!rest.empty()) {
    answer.state = rest[0];
    answer.body = rest.substr(1);
  }
  return answer;
}

}  // namespace weir
