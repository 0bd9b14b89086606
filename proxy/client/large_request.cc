// Requests too large to be held: they pass by on a link of their own.
//
// On a shared link a request of 512 MB from a slow client would hold up everybody behind it. So it
// waits until all earlier requests of its client are answered, borrows a link, streams over it, and
// gives it back when its reply has come. It is never sent twice, because it is not kept. The few
// small requests that must not share a link go the same way.
#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"

namespace weir {

bool Dispatcher::SendAlone(const Plan& plan, const Input& input) {
  if (session_.on_links_ != 0) {
    session_.SetPause(Pause::kOrder);
    return false;
  }
  if (session_.exclusive_ == nullptr) {
    LinkKey key = session_.group_->key();
    // What ends a script means no db, and a Redis that is busy refuses to SELECT one.
    if (input.tail == nullptr) key.db = 0;
    LinkGroup* group = worker_.UpstreamOf(session_.listener_).Hold(key);
    session_.exclusive_ = group->TakeExclusive();
    group->Release();
    if (session_.exclusive_ == nullptr) {
      return Refuse(plan.entry, worker_.TooManyLinksLine(session_.listener_), input);
    }
    session_.exclusive_->Connect();
  }
  Link* link = session_.exclusive_;
  if (link->state() == Link::State::kConnecting || link->state() == Link::State::kGated) {
    link->Wait(&session_);
    session_.full_link_ = link;
    session_.SetPause(Pause::kLinkFull);
    return false;
  }
  if (link->state() != Link::State::kReady) {
    const std::string line = link->RefusalLine();
    session_.GiveBackExclusive();
    return Refuse(plan.entry, line, input);
  }
  const bool silent = TakeSilence();
  Request* request = session_.Push(plan.entry);
  request->silent = silent;
  request->use = silent ? ReplyUse::kSwallow : ReplyUse::kForward;
  request->streamed = request->arriving = input.tail != nullptr;
  if (input.tail == nullptr) {
    request->deadline_ms = worker_.DeadlineMs(session_.listener_, plan.entry);
  }
  Slice copy;
  if (input.parsed.rewritten) {
    copy = Slice::Copy(worker_.context().chunks, input.parsed.wire);
  } else {
    copy = Slice(input.chunk, input.parsed.wire);
  }
  // The link is ready, so it takes what it gets.
  if (!link->Send(request, copy.chunk(), copy.view())) return true;
  ++session_.on_links_;
  session_.flow_ = link;
  if (input.tail == nullptr) return true;
  worker_.context().stats.requests_streamed.Add();
  session_.large_ =
      std::make_unique<Session::Large>(Session::Large{.tail = *input.tail, .request = request});
  return true;
}

// Passes on what belongs to the large request and returns how much that is.
size_t Session::PassLarge(Chunk* chunk, std::string_view data) {
  const RequestTail::Result result = large_->tail.Scan(data);
  Request* request = large_->request;
  if (request != nullptr) exclusive_->SendMore(request, chunk, data.substr(0, result.consumed));
  if (result.status == RequestTail::Status::kEnd) {
    if (request != nullptr) {
      request->deadline_ms = worker_->DeadlineMs(listener_, request->entry);
      exclusive_->EndStreamed(request);
    }
    large_.reset();
  } else if (result.status == RequestTail::Status::kError) {
    const std::string error(large_->tail.error());
    if (request != nullptr) {
      // Half a request is on that link, so it is of no use to anyone; and of this client's
      // request nothing is said but the error below.
      request->silent = true;
      exclusive_->CloseNow("-ERR weir: the request was malformed");
      exclusive_ = nullptr;
    }
    large_.reset();
    ProtocolError(error);
    return data.size();
  }
  if (exclusive_ != nullptr && request != nullptr && exclusive_->full() && large_ != nullptr) {
    exclusive_->Wait(this);
    full_link_ = exclusive_;
    SetPause(Pause::kLinkFull);
  }
  return result.consumed;
}

void Session::GiveBackExclusive() {
  Link* link = std::exchange(exclusive_, nullptr);
  if (link == nullptr || link->state() == Link::State::kClosed) return;
  LinkGroup* group = worker_->UpstreamOf(listener_).Hold(link->key());
  group->GiveBack(link, true);
  group->Release();
}

}  // namespace weir
