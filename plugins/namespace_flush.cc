#include "plugins/namespace_flush.h"

#include "routing/text.h"

namespace weir {
namespace {

// ARGV: the pattern of the namespace's keys, the command that deletes. SCAN returns at least every
// key that stays until it is over, whatever is deleted meanwhile; one step of it can return very
// many keys while a table shrinks, more than Lua's stack takes.
constexpr std::string_view kFlush = R"(local function flush()
  local cursor = '0'
  repeat
    local page = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', 1000)
    cursor = page[1]
    local keys = page[2]
    for first = 1, #keys, 1000 do
      redis.call(ARGV[2], unpack(keys, first, math.min(first + 999, #keys)))
    end
  until cursor == '0'
end
)";

constexpr std::string_view kOfOneDb = R"(flush()
return redis.status_reply('OK')
)";

// A script that SELECTs leaves its caller where it was. There is no db after the one whose
// successor cannot be selected; if not even the first can, that is no end but an error.
constexpr std::string_view kOfAllDbs = R"(local db = 0
while true do
  local selected = redis.pcall('SELECT', db)
  if selected.err then
    if db == 0 then return selected end
    return redis.status_reply('OK')
  end
  flush()
  db = db + 1
end
)";

}  // namespace

std::vector<std::string> FlushRequest(FlushScope scope, FlushFrees frees, std::string_view prefix) {
  return {"EVAL", Concat(kFlush, scope == FlushScope::kDb ? kOfOneDb : kOfAllDbs), "0",
          Concat(prefix, "*"), frees == FlushFrees::kAtOnce ? "DEL" : "UNLINK"};
}

}  // namespace weir
