// Takes a pipeline of like requests for several nodes at once: see fanned_run.h.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "plugins/chain.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/fanned_run.h"
#include "proxy/client/routes.h"
#include "proxy/worker.h"

namespace weir {
namespace {

// The header and the command's name, with which those begin that are like it.
std::string_view HeadOf(const ParsedRequest& parsed) {
  return parsed.wire.substr(0, parsed.args[0].offset + parsed.args[0].length + 2);
}

}  // namespace

// A branch that is being put together, its bytes at the end of a chunk of its link's.
struct Dispatcher::GrowingBranch {
  GrowingBranch(Link* to, uint16_t first_slot)
      : link(to),
        chunk(to->ChunkForCopies(FannedRun::kRequestBytesMax)),
        begin(chunk->tail()),
        end(begin),
        room_end(begin + chunk->room()),
        count_max(to->room()),
        slot(first_slot) {}
  bool HasRoom(size_t bytes) const {
    return count < count_max && static_cast<size_t>(room_end - end) >= bytes;
  }
  void Add(std::string_view bytes) {
    std::memcpy(end, bytes.data(), bytes.size());
    end += bytes.size();
    ++count;
  }
  // All of it, which the chunk now holds.
  Slice Finish() const {
    const auto bytes = static_cast<size_t>(end - begin);
    chunk->used += static_cast<uint32_t>(bytes);
    return {chunk.get(), {begin, bytes}};
  }

  Link* link;
  ChunkRef chunk;
  char* begin;
  char* end;
  char* room_end;
  uint32_t count = 0;
  uint32_t count_max;
  int32_t slot;  // of its first request
};

// Whether what is behind the request in hand may go with it in one run if it is like it.
bool Dispatcher::MayFanOut(const Plan& plan, const Input& input) const {
  const ParsedRequest& parsed = input.parsed;
  const std::string_view wire = parsed.wire;
  const bool plain = !parsed.rewritten && input.tail == nullptr && session_.pauses_ == 0 &&
                     NothingInterferes() && worker_.joins_runs() && NameDecides(plan.entry) &&
                     plan.entry->only_key != 0 && plan.entry->only_key < parsed.argc;
  return plain && plan.slot != kNoSlot && wire.data() + wire.size() == following_.data() &&
         following_.starts_with(HeadOf(parsed)) &&
         !worker_.UpstreamAt(session_.upstream_).reads_elsewhere();
}

// The link for a branch to this node, if what would go on it may go now.
Link* Dispatcher::LinkForBranch(NodeIndex node) {
  Route& route = session_.routes_->at(node);
  LinkGroup* group = route.group != nullptr ? route.group : session_.GroupAt(node);
  Link* link = group->Shared(session_.conversation_.id);
  if (link == nullptr || link->full() || link->state() != Link::State::kReady) return nullptr;
  return route.in_flight != 0 && route.link != link ? nullptr : link;
}

// Puts together the branches of the request in hand and those like it behind it. Returns how many
// bytes they have.
[[gnu::noinline]] size_t Dispatcher::GrowBranches(const Input& input, const CommandEntry& entry,
                                                  FannedRun* run, GrowingBranches* growing) {
  Routes& routes = *session_.routes_;
  const Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  const NodeMap& map = upstream.map();
  const Topology& topology = *upstream.snapshot().topology;
  const uint32_t stamp = ++routes.fanned_runs;
  const std::string_view data(input.parsed.wire.data(),
                              input.parsed.wire.size() + following_.size());
  const uint32_t max =
      std::min(FannedRun::kRequestsMax, worker_.depth_max() - session_.unanswered_);
  std::array<AlikeRequest, FannedRun::kRequestsMax> found;
  const uint32_t found_count = worker_.parser().ParseAlikeKeys(
      data, HeadOf(input.parsed), input.parsed.argc - 1, entry.only_key, max, found.data());
  uint32_t count = 0;
  size_t begin = 0;
  GrowingBranch* branches = nullptr;
  for (; count < found_count; ++count) {
    const AlikeRequest& request = found[count];
    const size_t bytes = request.end - begin;
    if (bytes > FannedRun::kRequestBytesMax) break;
    const uint16_t slot = topology.SlotOf({data.data() + request.key, request.key_bytes});
    const NodeIndex node = map.PrimaryOf(slot);
    if (node == kNoNode) break;
    Route& route = routes.at(node);
    if (route.run != stamp) {
      Link* link = LinkForBranch(node);
      if (link == nullptr) break;
      route.run = stamp;
      route.branch = static_cast<uint8_t>(growing->size());
      growing->emplace_back(link, slot);
      branches = growing->data();
    }
    GrowingBranch& branch = branches[route.branch];
    if (!branch.HasRoom(bytes)) break;
    branch.Add({data.data() + begin, bytes});
    run->positions[count] = {slot, route.branch};
    run->last_node = node;
    begin = request.end;
  }
  run->count = count;
  return begin;
}

// True: it was sent, and taken_ says what of the bytes behind it was sent, too.
bool Dispatcher::FanOut(const Plan& plan, const Input& input) {
  if (!MayFanOut(plan, input)) return false;
  auto run = std::make_unique_for_overwrite<FannedRun>();
  GrowingBranches growing;
  const size_t bytes = GrowBranches(input, *plan.entry, run.get(), &growing);
  if (run->count < 2) return false;
  taken_ = {.bytes = bytes - input.parsed.wire.size(), .requests = run->count - 1};
  Request* whole = session_.Push(plan.entry);
  whole->count = run->missing = run->count;
  whole->request_bytes = bytes;
  whole->fanned = true;
  session_.unanswered_ += run->count - 1;
  worker_.context().stats.requests_in_flight.Add(run->count - 1);
  const uint64_t deadline_ms = worker_.DeadlineMs(session_.upstream_, plan.entry);
  run->branches.resize(growing.size());
  for (uint32_t i = 0; i < growing.size(); ++i) {
    Request* branch = session_.MakeBranch(whole, i);
    branch->deadline_ms = deadline_ms;
    branch->count = growing[i].count;
    if (branch->count == 1) branch->slot = growing[i].slot;
    run->branches[i].request = branch;
    SendOrDetour(branch, growing[i].link, growing[i].Finish());
  }
  if (plan.entry->is_write) session_.routes_->last_write = run->last_node;
  whole->extra = std::move(run);
  if (session_.unanswered_ >= worker_.depth_max()) session_.SetPause(Pause::kDepth);
  return true;
}

}  // namespace weir
