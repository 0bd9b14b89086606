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
  Call(LoopContext* context, LinkGroup* group, std::function<void(std::string_view)> done)
      : context_(context), group_(group), done_(std::move(done)) {}

  void Start(std::string_view bytes, bool retryable, int64_t timeout_ms, bool asking) {
    Request* request = context_->requests.Make();
    request->owner = this;
    request->received_ns = context_->NowNs();
    request->retryable = retryable;
    if (timeout_ms > 0) {
      request->deadline_ms = context_->NowMs() + static_cast<uint64_t>(timeout_ms);
    }
    Link* link = group_->Shared(0);
    const Slice wire = Slice::Copy(context_->chunks, bytes);
    if (link == nullptr || (asking && !SendAsking(link, request->deadline_ms)) ||
        !link->Send(request, wire.chunk(), wire.view())) {
      reply_ = link == nullptr ? "-ERR weir: links_max is reached" : link->RefusalLine();
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

  void OnTurnEnd() override {
    if (too_large_) reply_ = "-ERR weir: the reply is too large\r\n";
    done_(reply_);
    group_->Release();
    delete this;
  }

 private:
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
  const std::function<void(std::string_view)> done_;
  std::string reply_;
  bool too_large_ = false;
};

}  // namespace

void CallUpstream(LoopContext* context, Upstream* upstream, LinkGroup* group, std::string request,
                  bool retryable, std::function<void(std::string_view reply)> done, bool asking) {
  if (group == nullptr) {
    group = upstream->Hold(upstream->BaseKey());
  } else {
    group->Hold();
  }
  auto* call = new Call(context, group, std::move(done));
  call->Start(request, retryable, upstream->config().request_timeout_ms, asking);
}

}  // namespace weir
