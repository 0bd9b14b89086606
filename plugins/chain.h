// The plugins of one worker in their order, with an array for each hook of those that want it.
//
// A plugin that did not name a hook is in no array of that hook, so a hook that nobody named costs
// its caller one branch. Requests pass the plugins first to last, replies and farewells last to
// first, so that a plugin wraps all that come behind it.
#ifndef WEIR_PLUGINS_CHAIN_H_
#define WEIR_PLUGINS_CHAIN_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/plugin.h"

namespace weir {

// What became of a request in the chain.
struct RequestOutcome {
  Verdict verdict = Verdict::kContinue;
  // Where the request goes on after kHeld: give it to OnRequest as `first`.
  size_t next = 0;
  // The plugins that want the whole reply, for OnReply; 0: none. A request that was held may be
  // marked in each part of its way, so add them up.
  PluginSet reply_marks = 0;
  // What they want of it at least; 0: all; nothing: there are none.
  std::optional<size_t> reply_head_bytes;
};

class Chain {
 public:
  static constexpr size_t kPluginsMax = 32;  // bits of a PluginSet

  Chain() = default;  // no plugin
  // Owns the plugins and asks each once for its hooks. REQUIRES: none is null, at most kPluginsMax.
  explicit Chain(std::vector<std::unique_ptr<Plugin>> plugins);
  Chain(Chain&&) = default;
  Chain& operator=(Chain&&) = default;

  // Whether any plugin has one of these hooks. Ask before what only a hook needs is put together.
  bool has(HookSet hooks) const { return (hooks_ & hooks) != 0; }
  bool empty() const { return plugins_.empty(); }

  // All plugins are called, whatever they say. kClose if one of them said so, else kContinue.
  Verdict OnOpen(SessionView& session) {
    if (!has(kHookOpen)) [[likely]]
      return Verdict::kContinue;
    return Open(session);
  }

  // The plugins from the `first`-th of this hook on, until one says something else than kContinue.
  RequestOutcome OnRequest(RequestView& request, size_t first = 0) {
    if (!has(kHookRequest)) [[likely]]
      return {};
    return PassRequest(request, first);
  }

  // Those of `marks`, which is what came of OnRequest.
  void OnReply(ReplyView& reply, PluginSet marks) {
    if (marks != 0) [[unlikely]]
      PassReply(reply, marks);
  }

  void OnDone(const RequestsDone& done) {
    for (Plugin* plugin : on_done_) plugin->OnDone(done);
  }

  // See Plugin::OnError.
  void OnError(SessionView& session, const CommandEntry* entry, int upstream,
               std::string_view code) {
    for (Plugin* plugin : on_error_) plugin->OnError(session, entry, upstream, code);
  }

  // Last plugin first.
  void OnPush(PushView& push) {
    for (Plugin* plugin : on_push_) plugin->OnPush(push);
  }

  // Also after an OnOpen that said kClose.
  void OnClose(SessionView& session) {
    if (has(kHookClose)) [[unlikely]]
      Close(session);
  }

  // For WEIR EXPLAIN: "PLUGIN: what it would do", for each that has something to say, in order.
  std::vector<std::string> Explain(SessionView& session, const ArgList& args,
                                   const CommandEntry* entry, int upstream) const;

  // See Plugin::Renamed: what the first that would rewrite them makes of them.
  std::optional<std::vector<std::string>> Renamed(SessionView& session, const ArgList& args,
                                                  const CommandEntry* entry, int upstream) const;

  // The commands that the plugins add, in order.
  const std::vector<const CommandSpec*>& commands() const { return commands_; }

  // The plugins' names, in order.
  std::vector<std::string_view> names() const;

 private:
  struct Member {
    Plugin* plugin;
    PluginSet bit;
  };

  Verdict Open(SessionView& session);
  RequestOutcome PassRequest(RequestView& request, size_t first);
  void PassReply(ReplyView& reply, PluginSet marks);
  void Close(SessionView& session);

  HookSet hooks_ = 0;  // of all of them
  std::vector<Plugin*> on_done_;
  std::vector<Plugin*> on_error_;
  std::vector<Member> on_request_;
  std::vector<Member> on_reply_;  // last plugin first
  std::vector<Plugin*> on_push_;  // last plugin first
  std::vector<Plugin*> on_open_;
  std::vector<Plugin*> on_close_;  // last plugin first
  std::vector<const CommandSpec*> commands_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_CHAIN_H_
