// A connection, a PING, and the end.
#include "proxy/backend/node_probe.h"

#include <string>
#include <utility>

#include "proxy/backend/upstream.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

constexpr std::string_view kDone = "-ERR weir: the probe is over";

// Any other error, be it to the handshake, is an answer: a node that wants another password, or
// forbids PING, is well.
bool CannotServe(std::string_view error) {
  return error.starts_with("-LOADING") || error.starts_with("-MASTERDOWN");
}

// Lives from the call to the turn's end after its outcome.
class NodeProbe final : public RequestOwner, public TurnEnd {
 public:
  NodeProbe(LoopContext* context, LinkGroup* group, std::function<void(bool)> done)
      : context_(context), group_(group), done_(std::move(done)) {
    group_->Hold();
  }

  void Start(uint64_t timeout_ms) {
    link_ = group_->TakeForProbe();
    if (link_ == nullptr) return Finish(false);
    link_->SetHolder(this);
    Request* request = context_->requests.Make();
    request->owner = this;
    request->received_ns = context_->NowNs();
    request->deadline_ms = context_->NowMs() + timeout_ms;
    std::string bytes;
    AppendRequest(&bytes, {"PING"});
    const Slice wire = Slice::Copy(context_->chunks, bytes);
    if (link_->Send(request, wire.chunk(), wire.view())) return;
    request->owner = nullptr;
    context_->requests.ReleaseIfUnused(request);
    Finish(false);
  }

  void OnReply(Request&, Chunk*, std::string_view bytes, uint32_t frames, bool error) override {
    if (!begun_) answers_ = !error || !CannotServe(bytes);
    begun_ = true;
    if (frames != 0) Finish(answers_);
  }
  void OnFailed(Request&, uint32_t, bool, std::string_view) override { Finish(WasRefused()); }
  void OnLinkRoom() override {}
  void OnPausedLinkGone() override {}
  void OnOwnLinkGone(Link&, std::string_view) override {
    const bool refused = WasRefused();
    link_ = nullptr;
    Finish(refused);
  }

  void OnTurnEnd() override {
    if (link_ != nullptr) {
      link_->SetHolder(nullptr);
      link_->CloseNow(kDone);
    }
    group_->Release();
    done_(succeeded_);
    delete this;
  }

 private:
  bool WasRefused() const {
    return link_ != nullptr && !link_->refusal().empty() && !CannotServe(link_->refusal());
  }

  // The first outcome counts.
  void Finish(bool succeeded) {
    if (std::exchange(scheduled, true)) return;
    succeeded_ = succeeded;
    context_->sessions_to_flush.push_back(this);
  }

  LoopContext* const context_;
  LinkGroup* const group_;
  const std::function<void(bool)> done_;
  Link* link_ = nullptr;  // null: none yet, or it is gone
  bool begun_ = false;
  bool answers_ = false;
  bool succeeded_ = false;
};

}  // namespace

void ProbeNode(LoopContext* context, Upstream* upstream, LinkGroup* group,
               std::function<void(bool succeeded)> done) {
  const UpstreamConfig& config = upstream->config();
  const int64_t answer_ms =
      config.request_timeout_ms != 0 ? config.request_timeout_ms : config.connect_timeout_ms;
  auto* probe = new NodeProbe(context, group, std::move(done));
  probe->Start(static_cast<uint64_t>(config.connect_timeout_ms + answer_ms));
}

}  // namespace weir
