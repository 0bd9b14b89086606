// One sentinel as weir knows it: a connection to ask it on, and one on which it tells the news.
#ifndef WEIR_PROXY_BACKEND_SENTINEL_PEER_H_
#define WEIR_PROXY_BACKEND_SENTINEL_PEER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/backend/standstill.h"
#include "proxy/backend/subscriber_link.h"
#include "proxy/backend/upstream.h"
#include "proxy/config.h"
#include "routing/sentinel_view.h"

namespace weir {

class SentinelPeer final : private SubscriberLinkOwner {
 public:
  // The answer to Ask() is complete, or there is none: see view().
  using OnAnswer = std::function<void()>;
  // It has published something, or it is listened to from now on (both empty).
  using OnNews = std::function<void(std::string_view channel, std::string_view message)>;

  // `context` and `map`, which may be null, outlive it. `config` is the data nodes' upstream's, of
  // which it takes times, bounds and the sentinels' credentials; `name` is the primary's.
  SentinelPeer(LoopContext* context, const UpstreamConfig& config, HostPort address,
               std::string name, const AddressMap* map, OnAnswer on_answer, OnNews on_news);

  const HostPort& address() const { return address_; }
  // Asks what it knows. REQUIRES: not asking().
  void Ask();
  bool asking() const { return missing_ != 0; }
  // What it said to the last Ask(); nothing: no answer, or none that makes sense.
  const std::optional<SentinelView>& view() const { return view_; }
  // Why there is no view: "connection refused".
  const std::string& cause() const { return cause_; }

  // A few times a second.
  void OnTick(uint64_t now_ms) { news_link_.OnTick(now_ms); }
  // Ends both connections; it may be destroyed once gone() is true.
  void Close();
  bool closed() const { return closed_; }
  bool gone() const { return missing_ == 0 && upstream_.links() == 0 && news_link_.gone(); }

 private:
  static constexpr size_t kNewsBytesMax = size_t{64} << 10;

  void AskOne(std::string_view what, std::function<absl::Status(const Reply&)> read);
  void OnLinkReady() override;
  void OnFrame(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes) override;
  void OnFrameTooLarge(const PubsubFrame&) override {}
  void OnReadEnd() override {}
  void OnLinkDown(std::string_view, bool, std::string_view) override {}

  LoopContext* const context_;
  const HostPort address_;
  const std::string name_;
  const AddressMap* const map_;
  const OnAnswer on_answer_;
  const OnNews on_news_;
  const UpstreamConfig config_;  // what the data nodes' says, as it is for a sentinel
  Standstill standstill_;        // of its own links, which nobody shares
  Upstream upstream_;
  SubscriberLink news_link_;
  SentinelView asked_;  // as far as it has been answered
  std::optional<SentinelView> view_;
  std::string cause_;
  int missing_ = 0;  // answers to Ask()
  bool closed_ = false;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_SENTINEL_PEER_H_
