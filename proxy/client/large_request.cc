// Requests too large to be held: they pass by on a link of their own.
//
// On a shared link a request of 512 MB from a slow client would hold up everybody behind it. So it
// waits until all earlier requests of its client are answered, borrows a link, streams over it, and
// gives it back when its reply has come (see own_link.cc). It is never sent twice, because it is
// not kept.
#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/session.h"
#include "proxy/worker.h"

namespace weir {

// Passes on what belongs to the large request and returns how much that is.
size_t Session::PassLarge(Chunk* chunk, std::string_view data) {
  const RequestTail::Result result = large()->tail.Scan(data);
  Request* request = large()->request;
  if (request != nullptr) own_link_->SendMore(request, chunk, data.substr(0, result.consumed));
  if (result.status == RequestTail::Status::kEnd) {
    if (request != nullptr) {
      request->deadline_ms = worker_->DeadlineMs(upstream_, request->entry);
      own_link_->EndStreamed(request);
    }
    extras_->large.reset();
  } else if (result.status == RequestTail::Status::kError) {
    const std::string error(large()->tail.error());
    if (request != nullptr) {
      // Half a request is on that link, so it is of no use to anyone; and of this client's
      // request nothing is said but the error below.
      request->silent = true;
      DropOwnLink("-ERR weir: the request was malformed");
    }
    extras_->large.reset();
    ProtocolError(error);
    return data.size();
  }
  if (own_link_ != nullptr && request != nullptr && own_link_->full() && large() != nullptr) {
    own_link_->Wait(this);
    extras().full_link = own_link_;
    SetPause(Pause::kLinkFull);
  }
  return result.consumed;
}

}  // namespace weir
