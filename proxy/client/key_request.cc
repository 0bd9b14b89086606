// The keys of a request that was answered, for WEIR HOTKEYS and WEIR BIGKEYS.
#include "proxy/client/asked.h"
#include "proxy/client/session.h"
#include "proxy/key_stats.h"
#include "proxy/worker.h"
#include "routing/command_class.h"
#include "routing/keys.h"

namespace weir {

// Who has several keys in one request has their bytes shared out evenly: weir does not look into
// replies for which part is whose.
void Session::CountKeys(const Request& request) {
  if (request.entry == nullptr || request.entry->spec == nullptr) return;
  const CommandSpec& spec = *request.entry->spec;
  if (!MayHaveKeys(spec)) return;
  AskedReader asked(*worker_, request);
  KeyPositions keys;
  const uint64_t now_ms = worker_->context().NowMs();
  for (uint32_t i = 0; i < request.count && asked.Next(); ++i) {
    // Of a large request, only the first arguments are known.
    const uint8_t only_key = request.entry->only_key;
    if (only_key != 0 && only_key < asked.args().size()) {
      keys.assign(1, KeyPosition{.index = only_key, .flags = {}});
    } else if (asked.argc_declared() != asked.args().size() ||
               FindKeys(spec, asked.args(), &keys) == KeysFound::kInvalid) {
      continue;
    }
    if (keys.empty()) continue;
    const uint64_t bytes =
        request.count == 1 ? request.request_bytes : static_cast<uint64_t>(asked.bytes());
    const uint64_t share = (bytes + request.reply_bytes / request.count) / keys.size();
    for (const KeyPosition& key : keys) {
      worker_->key_stats()->Count(static_cast<size_t>(worker_->worker()),
                                  {.upstream = Number(request.upstream), .db = request.asked_db},
                                  asked.args()[key.index], share, now_ms);
    }
  }
}

}  // namespace weir
