#include "proxy/client/asked.h"

#include "plugins/idem_command.h"
#include "proxy/backend/upstream.h"
#include "routing/command_class.h"

namespace weir {
namespace {

constexpr uint32_t kOwnArgsOfOn = 2;  // WEIR.ON and the upstream's name

// How many arguments stand before the command within; 0: there is none.
uint32_t ArgsBeforeWithin(const CommandEntry* entry, const ArgList& args) {
  if (entry != nullptr && entry->local == LocalCommand::kWeirOn) return kOwnArgsOfOn;
  return IsIdemCommand(args[0]) ? IdemOwnArgs(args) : 0;
}

bool SameCommand(const CommandEntry* a, const CommandEntry* b) {
  const CommandSpec* const of_a = a == nullptr ? nullptr : a->spec;
  const CommandSpec* const of_b = b == nullptr ? nullptr : b->spec;
  if (of_a == nullptr || of_b == nullptr) return of_a == of_b;
  return of_a->name == of_b->name;
}

}  // namespace

void AskedScope::Begin(Chunk* chunk, std::string_view wire, bool rewritten) {
  if (rewritten) {
    copy_ = Slice::Copy(worker_.context().chunks, wire);
    worker_.asked() = {.chunk = copy_.chunk(), .wire = copy_.view()};
  } else {
    worker_.asked() = {.chunk = chunk, .wire = wire};
  }
}

AskedReader::AskedReader(Worker& worker, const Request& request)
    : worker_(worker),
      request_(request),
      rest_(request.asked, static_cast<size_t>(request.asked_in->tail() - request.asked)) {}

bool AskedReader::Next() {
  rest_.remove_prefix(parsed_.consumed);
  ParseState state;
  const ParseStatus status = worker_.asked_parser().Parse(&state, rest_, &parsed_);
  const bool found = status == ParseStatus::kRequest || status == ParseStatus::kTooLarge;
  if (!found || parsed_.argc == 0) return false;
  args_ = ArgList(parsed_);
  argc_declared_ = parsed_.argc_declared;
  // A table may have taken another's place meanwhile, so names are compared.
  const RoutingTable& routing = *worker_.UpstreamAt(request_.upstream).snapshot().routing;
  entry_ = routing.Resolve(args_);
  // One may be within the other.
  while (!SameCommand(entry_, request_.entry)) {
    const uint32_t before = ArgsBeforeWithin(entry_, args_);
    if (before == 0 || args_.size() <= before) return false;
    args_ = args_.Tail(before);
    argc_declared_ -= before;
    entry_ = routing.Resolve(args_);
  }
  return true;
}

}  // namespace weir
