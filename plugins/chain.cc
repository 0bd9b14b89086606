#include "plugins/chain.h"

#include <utility>

#include "plugins/text.h"

namespace weir {

Chain::Chain(std::vector<std::unique_ptr<Plugin>> plugins) : plugins_(std::move(plugins)) {
  PluginSet bit = 1;
  for (const auto& plugin : plugins_) {
    const HookSet hooks = plugin->hooks();
    hooks_ |= hooks;
    if ((hooks & kHookOpen) != 0) on_open_.push_back(plugin.get());
    if ((hooks & kHookRequest) != 0) on_request_.push_back({plugin.get(), bit});
    if ((hooks & kHookReply) != 0) on_reply_.insert(on_reply_.begin(), {plugin.get(), bit});
    if ((hooks & kHookDone) != 0) on_done_.push_back(plugin.get());
    if ((hooks & kHookError) != 0) on_error_.push_back(plugin.get());
    if ((hooks & kHookPush) != 0) on_push_.insert(on_push_.begin(), plugin.get());
    if ((hooks & kHookClose) != 0) on_close_.insert(on_close_.begin(), plugin.get());
    for (const CommandSpec* spec : plugin->commands()) commands_.push_back(spec);
    bit <<= 1;
  }
}

Verdict Chain::Open(SessionView& session) {
  Verdict verdict = Verdict::kContinue;
  for (Plugin* plugin : on_open_) {
    if (plugin->OnOpen(session) == Verdict::kClose) verdict = Verdict::kClose;
  }
  return verdict;
}

RequestOutcome Chain::PassRequest(RequestView& request, size_t first) {
  RequestOutcome outcome;
  outcome.next = first;
  while (outcome.next < on_request_.size() && outcome.verdict == Verdict::kContinue) {
    const Member& member = on_request_[outcome.next++];
    request.asking_ = member.bit;
    outcome.verdict = member.plugin->OnRequest(request);
  }
  request.asking_ = 0;
  outcome.reply_marks = request.reply_marks_;
  outcome.reply_head_bytes = request.reply_head_bytes_;
  return outcome;
}

void Chain::PassReply(ReplyView& reply, PluginSet marks) {
  for (const Member& member : on_reply_) {
    if ((marks & member.bit) != 0) member.plugin->OnReply(reply);
  }
}

void Chain::Close(SessionView& session) {
  for (Plugin* plugin : on_close_) plugin->OnClose(session);
}

std::vector<std::string> Chain::Explain(SessionView& session, const ArgList& args,
                                        const CommandEntry* entry, int upstream) const {
  std::vector<std::string> lines;
  for (const auto& plugin : plugins_) {
    const std::string what = plugin->Explain(session, args, entry, upstream);
    if (!what.empty()) lines.push_back(Concat(plugin->name(), ": ", what));
  }
  return lines;
}

std::optional<std::vector<std::string>> Chain::Renamed(SessionView& session, const ArgList& args,
                                                       const CommandEntry* entry,
                                                       int upstream) const {
  for (const auto& plugin : plugins_) {
    if (auto other = plugin->Renamed(session, args, entry, upstream)) return other;
  }
  return std::nullopt;
}

std::vector<std::string_view> Chain::names() const {
  std::vector<std::string_view> names;
  for (const auto& plugin : plugins_) names.push_back(plugin->name());
  return names;
}

}  // namespace weir
