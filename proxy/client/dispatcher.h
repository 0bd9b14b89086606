// Takes one parsed request through the plugins, decides on a plan, and acts on it.
#ifndef WEIR_PROXY_CLIENT_DISPATCHER_H_
#define WEIR_PROXY_CLIENT_DISPATCHER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/host.h"
#include "plugins/plugin.h"
#include "proxy/client/local_commands.h"
#include "proxy/client/session.h"
#include "resp/request_parser.h"
#include "routing/plan.h"

namespace weir {

struct RequestTask;

// How far a request has come on its way through the plugins, while it waits at the front of its
// session's input: it is parsed again when it can go on, but no plugin sees it twice.
struct ChainWalk {
  static constexpr size_t kThrough = SIZE_MAX;
  size_t next = 0;  // the plugin to go on with; kThrough: it has passed them all
  PluginSet reply_marks = 0;
  std::vector<std::unique_ptr<RequestView::Kept>> kept;
  std::optional<std::string> answer;                // what a plugin answered
  std::optional<std::vector<std::string>> rewrite;  // what a plugin made of its arguments
  std::unique_ptr<HostTimer> deadline;              // of a hold
  uint64_t ticket = 0;                              // of a hold; 0: not held
};

class Dispatcher {
 public:
  explicit Dispatcher(Session* session) : session_(*session), worker_(session->worker()) {}

  // True: the request was taken and its bytes may go. False: it has to wait, a reason to pause is
  // set, and it must be given again.
  [[nodiscard]] bool Handle(Chunk* chunk, const ParsedRequest& parsed);
  // Of what follows a request that was just taken, in the same chunk, takes the requests that are
  // like it and may join its run; returns their bytes, and in *count their number. See run.cc.
  size_t TakeAlike(Chunk* chunk, const ParsedRequest& parsed, std::string_view following,
                   uint32_t* count);
  // As Handle, for a request of which only the first arguments are there; `rest` is what has come
  // of it behind those.
  [[nodiscard]] bool HandleLarge(Chunk* chunk, const ParsedRequest& parsed, const RequestTail& tail,
                                 std::string_view rest);

 private:
  // All that an action needs to know of the request.
  struct Input {
    Chunk* chunk;  // that `parsed` is in, unless it is rewritten
    const ParsedRequest& parsed;
    const RequestTail* tail = nullptr;  // of a large one
    PluginSet reply_marks = 0;
    uint64_t tail_bytes_min = 0;  // how many bytes of a large one are known to follow
    // What plugins keep until the request is done; taken if it goes to a node.
    std::vector<std::unique_ptr<RequestView::Kept>>* kept = nullptr;

    bool keeps() const { return kept != nullptr && !kept->empty(); }
  };

  bool Perform(const Plan& plan, const Input& input);
  bool SendShared(const Plan& plan, const Input& input);
  bool SendOn(Link* link, const Plan& plan, const Input& input);
  bool AnswerLocally(const Plan& plan, const Input& input);
  bool Ask(const Plan& plan, const Input& input, LocalOutcome outcome, ReplyMode mode_before);
  void Gather(const Plan& plan, const Input& input, LocalOutcome::Gather gather, bool skip);
  // subscribe.cc
  bool Subscribe(const Plan& plan, const Input& input);
  std::optional<bool> WhileSubscribed(const Plan& plan, const Input& input);
  bool PublishesToItself(const Plan& plan, const Input& input) const;
  void CorrectCount(const Plan& plan, const Input& input, RequestTask* task);
  bool Refuse(const CommandEntry* entry, std::string_view line, const Input& input);

  // False, with a pause set, if the request cannot go to this link yet.
  bool MayUse(Link* link);
  bool WalkChain(const Input& input);
  bool AnswerForPlugin(const CommandEntry* entry, std::string_view reply, const Input& input);
  // Refuses what only those may ask who have said who they are; nothing: they may.
  std::optional<bool> RefuseStranger(const CommandEntry* entry, const Input& input);
  bool MayRunOn(Chunk* chunk, const ParsedRequest& parsed, std::string_view following) const;

  // own_link.cc: what goes over the client's own connection.
  bool SendOwn(const Plan& plan, const Input& input);
  void NoteOwnRequest(const Plan& plan, const Input& input, Request* request);
  void NoteStandstill(const Plan& plan, const Input& input);
  void NoteScript(const Plan& plan, const Input& input, Request* request);
  bool SendLarge(Link* link, const Plan& plan, const Input& input);
  bool NeedsOwnLink(const Plan& plan, const Input& input) const;
  // Whether and how being pinned changes what is done; nothing: it does not.
  std::optional<bool> PerformPinned(const Plan& plan, const Input& input);
  std::optional<bool> AnswerAfterLoss(const Plan& plan, const Input& input);
  bool PerformInTransaction(const Plan& plan, const Input& input);
  bool RefuseInTransaction(const CommandEntry* entry, std::string_view line, const Input& input);
  // What is sent for a request that cannot go as it is.
  struct Instead {
    std::string bytes;
    PinEffect effect = PinEffect::kNone;
    bool effect_on = false;
    std::function<std::string(Conversation&, std::string_view)> finish = nullptr;
  };
  bool SendInstead(const Plan& plan, const Input& input, const Instead& instead);
  // tracking_redirect.cc
  std::optional<bool> RedirectTracking(const Plan& plan, const Input& input);
  bool ConcernsInvalidations(const ParsedRequest& parsed) const;
  bool AskTracking(const Plan& plan, const Input& input);
  bool FailExec(const Plan& plan, const Input& input);
  void AskWhatChanged();
  bool WaitForAnswers();

  LocalContext MakeLocalContext(const Input& input);
  bool TakeSilence();

  Session& session_;
  Worker& worker_;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_DISPATCHER_H_
