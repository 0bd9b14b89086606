// WEIR SLOWLOG: in Redis' shape and words, with a seventh element that splits the time.
#include "proxy/client/local_call.h"
#include "proxy/client/permission.h"
#include "proxy/slow_log.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

constexpr size_t kCountDefault = 10;  // as SLOWLOG GET has it

void WriteEntry(ReplyWriter& reply, const SlowEntry& entry) {
  reply.ArrayHeader(7);
  reply.Integer(static_cast<int64_t>(entry.id));
  reply.Integer(entry.unix_s);
  reply.Integer(static_cast<int64_t>(entry.total_us));
  reply.ArrayHeader(entry.args.size());
  for (const std::string& arg : entry.args) reply.Bulk(arg);
  reply.Bulk(entry.address);
  reply.Bulk(entry.client_name);
  reply.MapHeader(5);
  const std::pair<std::string_view, uint64_t> numbers[] = {{"queue", entry.queue_us},
                                                           {"upstream", entry.upstream_us},
                                                           {"weir", entry.weir_us},
                                                           {"requests", entry.requests}};
  for (const auto& [name, number] : numbers) {
    reply.Bulk(name);
    reply.Integer(static_cast<int64_t>(number));
  }
  reply.Bulk("upstream-name");
  reply.Bulk(entry.upstream);
}

LocalOutcome Get(const LocalCall& call) {
  int64_t count = kCountDefault;
  if (call.argc() == 4 && (!ParseWireNumber(call.arg(3), &count) || count < -1)) {
    return SayError("count should be greater than or equal to -1");
  }
  const size_t wanted = count < 0 ? SIZE_MAX : static_cast<size_t>(count);
  return WithPermission(call, [log = call.context.slow_log, wanted,
                               version = call.protocol_version()](Conversation&) {
    const std::vector<SlowEntry> entries = log->Newest(wanted);
    return MakeReply(version, [&](ReplyWriter& reply) {
      reply.ArrayHeader(entries.size());
      for (const SlowEntry& entry : entries) WriteEntry(reply, entry);
    });
  });
}

LocalOutcome Help(const LocalCall& call) {
  const std::string_view lines[] = {
      "WEIR SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "GET [<count>]",
      "    Return top <count> entries from weir's slow log (default: 10, -1 mean all).",
      "    Entries are made of:",
      "    id, timestamp, time in microseconds, arguments array, client IP and port,",
      "    client name, and a map: of that time, in weir's queue, in the upstream and in weir;",
      "    how many like it in its pipeline were late with it; the upstream's name",
      "LEN",
      "    Return the length of weir's slow log.",
      "RESET",
      "    Reset weir's slow log.",
      "HELP",
      "    Print this help.",
  };
  const std::string reply = MakeReply(call.protocol_version(), [&](ReplyWriter& writer) {
    writer.ArrayHeader(std::size(lines));
    for (const std::string_view line : lines) writer.SimpleString(line);
  });
  return WithPermission(call, [reply](Conversation&) { return reply; });
}

}  // namespace

LocalOutcome AnswerWeirSlowlog(const LocalCall& call) {
  if (call.argc() == 3 && call.Is(2, "help")) return Help(call);
  const bool get = (call.argc() == 3 || call.argc() == 4) && call.Is(2, "get");
  const bool len = call.argc() == 3 && call.Is(2, "len");
  const bool reset = call.argc() == 3 && call.Is(2, "reset");
  if (!get && !len && !reset) {
    return SayError(RedisError::kUnknownSubcommandOrArgs, call.arg(2), "weir slowlog");
  }
  SlowLog* const log = call.context.slow_log;
  if (log == nullptr) {
    return SayError(
        "weir: the slow log is off; log_slower_than_us under [slowlog] in weir's configuration "
        "turns it on");
  }
  if (get) return Get(call);
  if (len) {
    return WithPermission(call, [log, version = call.protocol_version()](Conversation&) {
      return MakeReply(
          version, [&](ReplyWriter& reply) { reply.Integer(static_cast<int64_t>(log->size())); });
    });
  }
  return WithPermission(call, [log](Conversation&) {
    log->Reset();
    return std::string(kOkReply);
  });
}

}  // namespace weir
