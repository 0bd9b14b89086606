// A call of weir's own.
#include "proxy/backend/call.h"

#include <utility>

#include "proxy/backend/upstream.h"

namespace weir {
namespace {

constexpr size_t kReplyBytesMax = size_t{16} << 20;

// Lives from the call to the turn's end after its reply.
class Call final : public RequestOwner, public TurnEnd {
 public:
  Call(LoopContext* context, LinkGroup* group, CallOptions options,
       std::function<void(std::string_view)> done)
      : context_(context), group_(group), options_(std::move(options)), done_(std::move(done)) {}

  void Start(std::string_view bytes, uint64_t timeout_ms) {
    Request* request = context_->requests.Make();
    request->owner = this;
    request->received_ns = context_->NowNs();
    request->retryable = options_.retryable;
    if (timeout_ms > 0) request->deadline_ms = context_->NowMs() + timeout_ms;
    Link* link = FindLink();
    const Slice wire = Slice::Copy(context_->chunks, bytes);
    if (link == nullptr || (options_.asking && !SendAsking(link, request->deadline_ms)) ||
        !link->Send(request, wire.chunk(), wire.view())) {
      reply_ = link == nullptr ? NoLinkLine() : link->RefusalLine();
      reply_ += "\r\n";
      request->owner = nullptr;
      context_->requests.ReleaseIfUnused(request);
      Finish();
    }
  }

  void OnReply(Request&, Chunk*, std::string_view bytes, uint32_t frames, bool) override {
    if (reply_.size() + bytes.size() <= kReplyBytesMax) {
      reply_ += bytes;
    } else {
      too_large_ = true;
    }
    if (frames != 0) Finish();
  }
  void OnFailed(Request&, uint32_t, bool, std::string_view line) override {
    reply_ = std::string(line) + "\r\n";
    Finish();
  }
  void OnLinkRoom() override {}
  void OnPausedLinkGone() override {}
  void OnOwnLinkGone(Link&, std::string_view) override { options_.own->link = nullptr; }

  void OnTurnEnd() override {
    if (too_large_) reply_ = "-ERR weir: the reply is too large\r\n";
    GiveBackOwn();
    done_(reply_);
    group_->Release();
    delete this;
  }

 private:
  Link* FindLink() {
    if (options_.own == nullptr) return group_->Shared(0, options_.for_script);
    Link* const link = group_->TakeExclusive();
    options_.own->link = link;
    if (link == nullptr) return nullptr;
    link->SetHolder(this);
    link->Connect();
    return link;
  }
  std::string NoLinkLine() const {
    return options_.own == nullptr ? "-ERR weir: links_max is reached"
                                   : "-ERR weir: pinned_connections_max is reached";
  }
  void GiveBackOwn() {
    Link* const link =
        options_.own == nullptr ? nullptr : std::exchange(options_.own->link, nullptr);
    if (link == nullptr) return;
    link->SetHolder(nullptr);
    group_->GiveBack(link, /*clean=*/true);
  }
  bool SendAsking(Link* link, uint64_t deadline_ms) {
    Request* request = context_->requests.Make();
    request->use = ReplyUse::kSwallow;
    request->received_ns = context_->NowNs();
    request->deadline_ms = deadline_ms;
    const Slice wire = Slice::Copy(context_->chunks, "*1\r\n$6\r\nASKING\r\n");
    if (link->Send(request, wire.chunk(), wire.view())) return true;
    context_->requests.ReleaseIfUnused(request);
    return false;
  }
  void Finish() {
    scheduled = true;
    context_->sessions_to_flush.push_back(this);
  }

  LoopContext* const context_;
  LinkGroup* const group_;
  const CallOptions options_;
  const std::function<void(std::string_view)> done_;
  std::string reply_;
  bool too_large_ = false;
};

}  // namespace

void CallUpstream(LoopContext* context, Upstream* upstream, LinkGroup* group, std::string request,
                  CallOptions options, std::function<void(std::string_view reply)> done) {
  if (group == nullptr) {
    group = upstream->Hold(upstream->BaseKey());
  } else {
    group->Hold();
  }
  const uint64_t timeout_ms =
      options.timeouts * static_cast<uint64_t>(upstream->config().request_timeout_ms);
  auto* call = new Call(context, group, std::move(options), std::move(done));
  call->Start(request, timeout_ms);
}

}  // namespace weir
