// A request of weir's own making, as if a client had sent it: its bytes, and where its arguments
// stand in them.
#ifndef WEIR_RESP_MADE_REQUEST_H_
#define WEIR_RESP_MADE_REQUEST_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "resp/request_parser.h"

namespace weir {

class MadeRequest {
 public:
  // REQUIRES: `args` is not empty; all of it together is less than 4 GiB.
  explicit MadeRequest(std::span<const std::string_view> args);
  // `request` with `text` before some of its arguments: those numbered `places`, in growing order.
  // Also the beginning of a large request (ParseStatus::kTooLarge), whose end stays as it is.
  MadeRequest(const ParsedRequest& request, std::span<const uint32_t> places,
              std::string_view text);
  // What parsed() gave before is of no use after a move.
  MadeRequest(MadeRequest&&) = default;
  MadeRequest& operator=(MadeRequest&&) = default;

  // Views of this, valid while it stays where it is.
  ParsedRequest parsed() const {
    return {.wire = wire_,
            .consumed = wire_.size(),
            .args = args_.data(),
            .argc = static_cast<uint32_t>(args_.size()),
            .argc_declared = argc_declared_,
            .rewritten = true};
  }

 private:
  std::string wire_;
  absl::InlinedVector<ArgSpan, 4> args_;
  uint32_t argc_declared_;
};

}  // namespace weir

#endif  // WEIR_RESP_MADE_REQUEST_H_
