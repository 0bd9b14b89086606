// WEIR HOTKEYS and WEIR BIGKEYS.
#include "proxy/client/local_call.h"
#include "proxy/client/permission.h"
#include "proxy/key_stats.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

constexpr size_t kCountDefault = 10;

void WriteEntry(ReplyWriter& reply, const KeyStats::Entry& entry, bool big,
                std::string_view upstream) {
  reply.ArrayHeader(3);
  reply.Bulk(entry.key);
  reply.Integer(static_cast<int64_t>(entry.number));
  reply.MapHeader(big ? 4 : 3);
  reply.Bulk("error");
  reply.Integer(static_cast<int64_t>(entry.error));
  if (big) {
    reply.Bulk("largest");
    reply.Integer(static_cast<int64_t>(entry.largest));
  }
  reply.Bulk("db");
  reply.Integer(entry.space.db);
  reply.Bulk("upstream-name");
  reply.Bulk(upstream);
}

}  // namespace

LocalOutcome AnswerWeirKeys(const LocalCall& call) {
  int64_t count = kCountDefault;
  if (call.argc() > 3) return SayError(RedisError::kWrongArgCount, call.entry.spec->name);
  if (call.argc() == 3 && (!ParseWireNumber(call.arg(2), &count) || count < 1)) {
    return SayError("count should be greater than 0");
  }
  if (call.context.key_stats == nullptr) {
    return SayError(
        "weir: keys are not counted; tracked_max under [hotkeys] in weir's configuration lets "
        "weir count them");
  }
  const bool big = call.entry.local == LocalCommand::kWeirBigkeys;
  // Adding up costs: not before it is known that this client may see it.
  return WithPermission(call, [count, big, key_stats = call.context.key_stats,
                               name_of = call.context.upstream_name](Conversation& conversation) {
    const std::vector<KeyStats::Entry> entries = key_stats(big, static_cast<size_t>(count));
    return MakeReply(conversation.protocol_version, [&](ReplyWriter& writer) {
      writer.ArrayHeader(entries.size());
      for (const KeyStats::Entry& entry : entries) {
        WriteEntry(writer, entry, big, name_of(entry.space.upstream));
      }
    });
  });
}

}  // namespace weir
