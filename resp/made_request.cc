#include "resp/made_request.h"

#include "resp/reply_writer.h"

namespace weir {
namespace {

constexpr size_t kEndBytes = 2;  // CR and LF

// "$3\r\n" before three bytes.
uint32_t HeaderBytes(uint32_t length) {
  uint32_t digits = 1;
  for (uint32_t rest = length; rest >= 10; rest /= 10) ++digits;
  return digits + 3;
}

}  // namespace

MadeRequest::MadeRequest(std::span<const std::string_view> args)
    : argc_declared_(static_cast<uint32_t>(args.size())) {
  AppendRequestHeader(&wire_, args.size());
  args_.reserve(args.size());
  for (const std::string_view arg : args) {
    AppendRequestArg(&wire_, arg);
    args_.push_back({static_cast<uint32_t>(wire_.size() - kEndBytes - arg.size()),
                     static_cast<uint32_t>(arg.size())});
  }
}

// The bytes between two places are taken over as they are. Arguments are in the canonical form (see
// ParsedRequest::rewritten), so that the length of their headers is known.
MadeRequest::MadeRequest(const ParsedRequest& request, std::span<const uint32_t> places,
                         std::string_view text)
    : argc_declared_(request.argc_declared) {
  constexpr size_t kHeaderGrowsMax = 2;
  wire_.reserve(request.wire.size() + places.size() * (text.size() + kHeaderGrowsMax));
  args_.assign(request.args, request.args + request.argc);
  uint32_t copied = 0;  // bytes of the request
  uint32_t next = 0;    // argument
  const auto follow = [&](uint32_t end) {
    const auto moved = static_cast<uint32_t>(wire_.size()) - copied;
    for (; next < end; ++next) args_[next].offset += moved;
  };
  for (const uint32_t place : places) {
    follow(place);
    const ArgSpan span = request.args[place];
    const uint32_t header = span.offset - HeaderBytes(span.length);
    wire_.append(request.wire, copied, header - copied);
    const auto length = static_cast<uint32_t>(text.size()) + span.length;
    wire_ += '$';
    wire_ += std::to_string(length);
    wire_ += "\r\n";
    args_[place] = {static_cast<uint32_t>(wire_.size()), length};
    wire_ += text;
    copied = span.offset;
    next = place + 1;
  }
  follow(request.argc);
  wire_.append(request.wire, copied);
}

}  // namespace weir
