// What a plugin is: something that may happen to a request or a reply on its way.
//
// One instance a worker, called on that worker's thread only, so nothing in it needs a lock except
// what other threads read. A plugin that is off is absent: it is never made. Hooks that it does not
// name in hooks() are never called.
//
//   OnOpen    a client connected (every plugin is called, so that each OnOpen has its OnClose)
//   OnRequest a request was parsed, before its plan is made (each request; in the chain's order)
//   OnReply   the whole reply of a request that this plugin marked (in reverse order)
//   OnDone    a run of equal requests was answered, with its times (the cheap way to observe)
//   OnError   an error reply passed by
//   OnPush    frames that no reply brings: messages, invalidations, acknowledgements of SUBSCRIBE
//   OnClose   the client left (in reverse order)
#ifndef WEIR_PLUGINS_PLUGIN_H_
#define WEIR_PLUGINS_PLUGIN_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "routing/arg_list.h"

namespace weir {

struct CommandEntry;
struct CommandSpec;

// What OnRequest or OnOpen decided. OnOpen says kContinue or kClose.
enum class Verdict : uint8_t {
  kContinue,  // on to the next plugin
  kAnswered,  // RequestView::Answer was called: no upstream is asked
  kHeld,      // RequestView::MakeHold was called: the request waits, and this client's later ones
  kClose,     // close the client's connection
};

using HookSet = uint32_t;
inline constexpr HookSet kHookOpen = 1, kHookRequest = 2, kHookReply = 4, kHookDone = 8,
                         kHookError = 16, kHookClose = 32, kHookPush = 64;

// Some of a chain's plugins: bit i is the i-th.
using PluginSet = uint32_t;

// A client, as plugins see it. Valid from OnOpen to the end of OnClose.
class SessionView {
 public:
  virtual uint64_t id() const = 0;
  virtual std::string_view user() const = 0;         // "default" if it has not authenticated
  virtual std::string_view client_name() const = 0;  // CLIENT SETNAME
  virtual std::string address() const = 0;           // "127.0.0.1:50312"
  virtual std::string_view listener() const = 0;     // the listener's address in the configuration
  virtual int db() const = 0;
  virtual int protocol_version() const = 0;
  virtual bool in_transaction() const = 0;  // MULTI was sent, and neither EXEC nor DISCARD
  // What a plugin puts before this client's names; "": none does. Two clients with other prefixes
  // are strangers to each other, whoever they are: what is kept for a user is kept for both.
  virtual std::string_view names_prefix() const { return {}; }
  virtual void set_names_prefix(std::string_view /*prefix*/) {}
  // A word of the plugin's own for this client, 0 at first; `slot` from Host::TakeSessionSlot.
  virtual uint64_t& word(size_t slot) = 0;

 protected:
  ~SessionView() = default;
};

// A held request. Exactly one of Resume and Answer; if it is dropped instead, the client gets an
// error. If the client leaves or the hold's deadline passes first, both do nothing.
class Hold {
 public:
  class Target {
   public:
    virtual void Resume(uint64_t ticket) = 0;
    virtual void Answer(uint64_t ticket, std::string reply) = 0;

   protected:
    ~Target() = default;
  };
  // Made by the host only. `target` is kept alive by the worker and outlives all holds.
  Hold(Target* target, uint64_t ticket) : target_(target), ticket_(ticket) {}
  Hold(Hold&& other) noexcept : target_(other.target_), ticket_(other.ticket_) {
    other.target_ = nullptr;
  }
  Hold& operator=(Hold&&) = delete;
  ~Hold();
  // Goes on with the next plugin, as if this one had said kContinue.
  void Resume();
  // `reply` in RESP, in the client's protocol version.
  void Answer(std::string reply);

 private:
  Target* target_;
  uint64_t ticket_;
};

// A request on its way in. Valid during the call.
class RequestView {
 public:
  // Lives as long as the request that it was given to; see KeepUntilDone.
  struct Kept {
    virtual ~Kept() = default;
  };

  RequestView(SessionView& session, const ArgList& args, const CommandEntry* entry, int upstream)
      : session_(session), args_(args), entry_(entry), upstream_(upstream) {}

  SessionView& session() { return session_; }
  const ArgList& args() const { return args_; }
  const CommandEntry* entry() const { return entry_; }  // null: unknown to weir's table
  int upstream() const { return upstream_; }            // index, see Host::UpstreamName
  // Of the whole request on the wire; of a large one, whose end has not come, what is known of it.
  virtual uint64_t bytes() const = 0;

  // The reply, in RESP and the client's protocol version. Return kAnswered.
  virtual void Answer(std::string reply) = 0;
  // Other arguments instead; the plugins behind see them, and the plan is made from them.
  // REQUIRES: is_whole().
  virtual void Rewrite(std::vector<std::string> args) = 0;
  // The same arguments, but with `text` before those numbered `places`, in growing order.
  virtual void PutBefore(absl::Span<const uint32_t> places, std::string_view text) = 0;
  // Whether all arguments are there. Of a large request only the first are, and the rest passes by
  // as it is, whatever a plugin makes of it.
  virtual bool is_whole() const { return true; }
  // How many there are with those that are still to come.
  virtual uint32_t argc_declared() const { return args_.size(); }
  // The node gets a script instead, when all plugins have let the request pass; those behind see
  // the request as before, and must not rewrite it. `args` are EVALSHA's; `text`, which lives as
  // long as the program, goes where the node does not know it. It must be a script that knows
  // whether it has run, for at least `known_for_ms` from then on: when its fate is unknown, it is
  // sent again, unless that could be later. What its client sends behind it waits for its reply.
  // REQUIRES: is_whole(), and the client is in no transaction.
  virtual void SendScript(std::vector<std::string> args, std::string_view text,
                          uint64_t known_for_ms) = 0;
  // When all plugins have let the request pass, and all that its client sent before is answered,
  // `call` gets it instead of a node: it is to hold it, and to answer that. Not if weir itself
  // would refuse the request then, or answer it. `blocks`: it may take for ever, so that it ends
  // with its client: the hold is dropped when that leaves. REQUIRES: is_whole(), and the client is
  // in no transaction.
  virtual void AnswerInstead(bool blocks, std::function<void(RequestView&)> call) = 0;
  // The plugin that says this gets OnReply with this request's whole reply. From OnRequest only.
  void WantReply() {
    reply_marks_ |= asking_;
    reply_head_bytes_ = 0;
  }
  // The same, but of a reply of more than `bytes` (not 0) the plugin may get only the first ones,
  // so that a long one need not be held: OnReply is for those, and the rest passes by as it is.
  void WantReplyHead(size_t bytes) {
    reply_marks_ |= asking_;
    if (reply_head_bytes_ != 0) reply_head_bytes_ = std::max(reply_head_bytes_.value_or(0), bytes);
  }
  // Destroyed when nothing more comes of the request: it was answered, by whomever, or failed, or
  // its client left and the node has answered nobody. Called on the worker's thread, before the
  // plugin goes; must not call back into the session.
  virtual void KeepUntilDone(std::unique_ptr<Kept> kept) = 0;
  // Return kHeld after it. `timeout_ms`: then the client gets an error.
  [[nodiscard]] virtual Hold MakeHold(uint64_t timeout_ms) = 0;

 protected:
  ~RequestView() = default;
  SessionView& session_;
  ArgList args_;
  const CommandEntry* entry_;
  int upstream_;

 private:
  friend class Chain;
  PluginSet asking_ = 0;  // the plugin that is being called
  PluginSet reply_marks_ = 0;
  std::optional<size_t> reply_head_bytes_;  // 0: all; nothing: nobody wants any
};

// A whole reply on its way out, or the first bytes of one. Valid during the call.
class ReplyView {
 public:
  using AllKept = std::vector<std::unique_ptr<RequestView::Kept>>;

  // `kept`: of the request, by all plugins.
  ReplyView(SessionView& session, const CommandEntry* entry, const AllKept& kept,
            std::string* bytes)
      : session_(session), entry_(entry), kept_(kept), bytes_(bytes) {}
  SessionView& session() { return session_; }
  const CommandEntry* entry() const { return entry_; }
  std::string_view bytes() const { return *bytes_; }  // RESP
  void Replace(std::string bytes) { *bytes_ = std::move(bytes); }
  // What a plugin gave to KeepUntilDone with this request, by its own type; null: nothing.
  template <typename OwnKept>
  OwnKept* Find() const {
    for (const auto& each : kept_) {
      if (auto* const own = dynamic_cast<OwnKept*>(each.get())) return own;
    }
    return nullptr;
  }

 private:
  SessionView& session_;
  const CommandEntry* entry_;
  const AllKept& kept_;
  std::string* bytes_;
};

// Frames on their way out that are no reply: messages, invalidations and other pushes, and the
// acknowledgements of SUBSCRIBE and its like. Valid during the call.
class PushView {
 public:
  PushView(SessionView& session, std::string_view frames) : session_(session), frames_(frames) {}
  SessionView& session() { return session_; }
  // One or more, each whole.
  std::string_view frames() const { return replaced_ ? std::string_view(bytes_) : frames_; }
  void Replace(std::string frames) {
    bytes_ = std::move(frames);
    replaced_ = true;
  }
  bool replaced() const { return replaced_; }

 private:
  SessionView& session_;
  const std::string_view frames_;
  std::string bytes_;
  bool replaced_ = false;
};

// A run of equal requests of one client that was answered: for counting.
struct RequestsDone {
  const CommandEntry* entry = nullptr;  // null: unknown to weir's table
  int upstream = 0;
  uint32_t count = 1;          // requests in the run
  uint32_t errors = 0;         // error replies among them
  uint64_t request_bytes = 0;  // of all of them
  uint64_t reply_bytes = 0;
  uint64_t total_ns = 0;     // from read to the reply's last byte, of each
  uint64_t upstream_ns = 0;  // of that: from written to the node to read from it; 0: answered here
  uint64_t queue_ns = 0;     // of that: from read to written to the node; 0: answered here
};

class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual std::string_view name() const = 0;
  virtual HookSet hooks() const = 0;  // read once, when the chain is built
  virtual Verdict OnOpen(SessionView&) { return Verdict::kContinue; }
  virtual Verdict OnRequest(RequestView&) { return Verdict::kContinue; }
  virtual void OnReply(ReplyView&) {}
  virtual void OnDone(const RequestsDone&) {}
  // `code` is the error's first word, without '-'; `entry` and `upstream` as in RequestsDone.
  virtual void OnError(SessionView&, const CommandEntry* /*entry*/, int /*upstream*/,
                       std::string_view /*code*/) {}
  virtual void OnPush(PushView&) {}
  virtual void OnClose(SessionView&) {}
  // What WEIR EXPLAIN says this plugin would do to a request of this client; empty: nothing to say.
  virtual std::string Explain(SessionView&, const ArgList&, const CommandEntry*, int /*upstream*/) {
    return "";
  }
  // For WEIR EXPLAIN: the arguments that it would rewrite these to; nothing: it leaves them.
  virtual std::optional<std::vector<std::string>> Renamed(SessionView&, const ArgList&,
                                                          const CommandEntry*, int /*upstream*/) {
    return std::nullopt;
  }
  // The commands that it adds, for COMMAND; their specs live as long as the program.
  virtual std::vector<const CommandSpec*> commands() const { return {}; }
};

}  // namespace weir

#endif  // WEIR_PLUGINS_PLUGIN_H_
