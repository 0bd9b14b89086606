// Takes one parsed request through the plugins, decides on a plan, and acts on it.
#ifndef WEIR_PROXY_CLIENT_DISPATCHER_H_
#define WEIR_PROXY_CLIENT_DISPATCHER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "plugins/host.h"
#include "plugins/plugin.h"
#include "proxy/client/deferred.h"
#include "proxy/client/deferred_multi.h"
#include "proxy/client/local_commands.h"
#include "proxy/client/session.h"
#include "resp/made_request.h"
#include "resp/request_parser.h"
#include "routing/plan.h"

namespace weir {

struct Facade;
struct PartsTask;
struct RequestTask;
struct RouteChoice;

// A script that is sent in place of a request: see RequestView::SendScript.
struct ScriptCall {
  std::vector<std::string> args;
  std::string_view text;
  uint64_t known_for_ms = 0;
};

// How far a request has come on its way through the plugins, while it waits at the front of its
// session's input: it is parsed again when it can go on, but no plugin sees it twice.
struct ChainWalk {
  static constexpr size_t kThrough = SIZE_MAX;
  size_t next = 0;  // the plugin to go on with; kThrough: it has passed them all
  PluginSet reply_marks = 0;
  size_t reply_head_bytes = 0;  // what the plugins want of the reply; 0: all
  std::vector<std::unique_ptr<RequestView::Kept>> kept;
  std::optional<std::string> answer;          // what a plugin answered
  std::optional<MadeRequest> rewrite;         // what plugins made of it
  std::optional<ScriptCall> script;           // what a plugin sends in its place
  std::function<void(RequestView&)> instead;  // what a plugin does in place of a node
  bool blocks = false;                        // that may take for ever
  bool passed = false;                        // that was begun, and its answer is a reply
  bool changed_again = false;                 // rewritten after that, which cannot be
  std::unique_ptr<HostTimer> deadline;        // of a hold
  uint64_t ticket = 0;                        // of a hold; 0: not held
  uint64_t held_ns = 0;                       // since when it was first held; 0: never
};

class Dispatcher {
 public:
  explicit Dispatcher(Session* session) : session_(*session), worker_(session->worker()) {}

  // True: the request was taken and its bytes may go. False: it has to wait, a reason to pause is
  // set, and it must be given again.
  [[nodiscard]] bool Handle(Chunk* chunk, const ParsedRequest& parsed);
  // Tells what stands behind the next request to be handled, in the same chunk. Only with several
  // nodes; without, it is given alone.
  void ShowFollowing(std::string_view following) { following_ = following; }
  // Of what follows a request that was just taken, in the same chunk, takes the requests that are
  // like it and may join its run; returns their bytes, and in *count their number. See run.cc.
  size_t TakeAlike(Chunk* chunk, const ParsedRequest& parsed, std::string_view following,
                   uint32_t* count);
  // Whether a MULTI stands there.
  static bool BeginsTransaction(std::string_view data);
  // Takes a whole transaction at the beginning of `data`, if it can go over a shared link; returns
  // its bytes, 0 if not, and in *count its requests. See whole_transaction.cc.
  // REQUIRES: no request is half read.
  size_t TakeTransaction(Chunk* chunk, std::string_view data, uint32_t* count);
  // As Handle, for a request of which only the first arguments are there.
  // `rest`: what has come of it behind those.
  [[nodiscard]] bool HandleLarge(Chunk* chunk, const ParsedRequest& parsed, const RequestTail& tail,
                                 std::string_view rest);
  // Sends what weir asks in the client's name for a request that stands in the queue; the reply is
  // the client's. REQUIRES: Pause::kAsk is set, and all before the request is answered.
  void AskAt(Request* request, std::string_view bytes);
  // What [[route]] or WEIR.ON say of a command, as lines for WEIR EXPLAIN, and the upstream that
  // they mean. Of WEIR.ON, leaves the command within in `args`.
  std::vector<std::string> ExplainRoute(ArgList* args, UpstreamIndex* upstream);

 private:
  friend class Deferred;

  // All that an action needs to know of the request.
  struct Input {
    Chunk* chunk;  // that `parsed` is in, unless it is rewritten
    const ParsedRequest& parsed;
    const RequestTail* tail = nullptr;  // of a large one
    PluginSet reply_marks = 0;
    size_t reply_head_bytes = 0;
    uint64_t tail_bytes_min = 0;  // how many bytes of a large one are known to follow
    // What plugins keep until the request is done; taken if it goes to a node.
    std::vector<std::unique_ptr<RequestView::Kept>>* kept = nullptr;
    const ScriptCall* script = nullptr;  // a plugin has made it of the request:
    const ParsedRequest* stands_for = nullptr;

    bool keeps() const { return kept != nullptr && !kept->empty(); }
  };

  // The command that the client has sent, as far as anybody is told of it.
  const CommandEntry* EntryShown(const Plan& plan, const Input& input) const;

  bool Perform(const Plan& plan, const Input& input);
  bool Act(const Plan& plan, const Input& input);
  // monitor.cc
  bool PerformShown(const Plan& plan, const Input& input);
  bool StartMonitor(const Plan& plan, const Input& input);
  bool AskToMonitor(const Plan& plan, const Input& input, LocalOutcome::Gather gather);
  bool SendShared(const Plan& plan, const Input& input);
  bool SendOn(Link* link, const Plan& plan, const Input& input);
  bool AnswerLocally(const Plan& plan, const Input& input);
  bool Ask(const Plan& plan, const Input& input, LocalOutcome outcome, ReplyMode mode_before);
  void SendAsk(Request* request, Link* link, std::string_view bytes,
               std::unique_ptr<RequestTask> task);
  void Gather(const Plan& plan, const Input& input, LocalOutcome::Gather gather, bool skip);
  // subscribe.cc
  bool Subscribe(const Plan& plan, const Input& input);
  std::optional<bool> WhileSubscribed(const Plan& plan, const Input& input);
  bool PublishesToItself(const Plan& plan, const Input& input) const;
  void CorrectCount(const Plan& plan, const Input& input, RequestTask* task);
  bool Refuse(const CommandEntry* entry, std::string_view line, const Input& input);
  bool RejectAsRedis(const CommandEntry* entry, std::string line, const Input& input);

  // False, with a pause set, if the request cannot go to this link yet.
  bool MayUse(Link* link);
  bool WalkChain(const Input& input);
  void BackdateHeld(const ChainWalk& walk, const Request* last_before);
  bool PerformReplaced(ChainWalk* walk, const Input& input);
  std::optional<bool> AnswerInstead(ChainWalk* walk, const Input& input);
  // stand_in.cc
  void StandIn(const CommandEntry* shown, const ScriptCall& script, const Link& link,
               Request* request, RequestTask* task);
  // run.cc
  static bool NameDecides(const CommandEntry* entry);
  bool NothingInterferes() const;
  bool SessionIsPlain() const;
  bool MayRunOn(Chunk* chunk, const ParsedRequest& parsed, std::string_view following) const;
  // fan_out.cc: a run over several nodes.
  struct GrowingBranch;
  using GrowingBranches = absl::InlinedVector<GrowingBranch, 4>;
  bool MayFanOut(const Plan& plan, const Input& input) const;
  Link* LinkForBranch(NodeIndex node);
  size_t GrowBranches(const Input& input, const CommandEntry& entry, FannedRun* run,
                      GrowingBranches* growing);
  bool FanOut(const Plan& plan, const Input& input);
  void SendInTransaction(Link* link, InTransaction place, const CommandEntry* entry, Chunk* chunk,
                         std::string_view wire);
  bool AnswerForPlugin(const CommandEntry* entry, std::string_view reply, const Input& input);
  // Refuses what only those may ask who have said who they are; nothing: they may.
  std::optional<bool> RefuseStranger(const CommandEntry* entry, const Input& input);

  // cluster_requests.cc: what is different with several nodes.
  std::optional<bool> PerformInCluster(const Plan& plan, const Input& input);
  bool SettleRoutes();
  bool SettleReads(const Plan& plan);
  NodeIndex ReaderFor(const Plan& plan, NodeIndex primary);
  NodeIndex NodeFor(const Plan& plan) const;
  bool WaitForNode(const Plan& plan, const Input& input, std::string_view line);
  bool WaitForAnyNode(const Plan& plan, const Input& input);
  std::optional<bool> FindRoute(const Plan& plan, const Input& input, NodeIndex node,
                                bool for_script, Link** link);
  bool SendRouted(const Plan& plan, const Input& input);
  void DetourUnsent(Request* request, const Link& link, Chunk* chunk, std::string_view wire);
  std::optional<bool> PerformInItsTransaction(const Plan& plan, const Input& input);
  bool AnswerHere(const Plan& plan, const Input& input, std::string_view reply);
  std::string_view RefusalInTransaction(const CommandEntry* entry) const;

  // deferred_multi.cc: a transaction that has no node yet.
  std::optional<bool> DeferMulti(const Plan& plan, const Input& input);
  std::optional<bool> PerformDeferred(const Plan& plan, const Input& input);
  std::optional<bool> HoldBack(const Plan& plan, const Input& input);
  std::optional<bool> HoldLocal(const Plan& plan, const Input& input);
  bool HoldIfPermitted(const Plan& plan, const Input& input, DeferredMulti::Held held);
  bool QueueHeld(const Plan& plan, const Input& input, DeferredMulti::Held held);
  bool FailDeferred(const CommandEntry* entry, std::string_view line, const Input& input);
  std::optional<bool> BeginDeferred(const Plan& plan, const Input& input);
  void SendDeferred();
  void SendUnheard(std::string_view bytes, PinEffect effect, std::unique_ptr<RequestTask> task);

  // pause.cc
  std::optional<bool> PausePrimaries(const Plan& plan, const Input& input);
  bool KeepsFromReaders(const CommandEntry& entry) const;

  // parts.cc: what several nodes answer together.
  struct PartPlan {
    NodeIndex node = kNoNode;
    NodeIndex home = kNoNode;
    int32_t slot = kNoSlot;
    uint32_t index = 0;
    Link* link = nullptr;
    UpstreamIndex upstream{};  // in whose lane it goes
  };
  bool SendParts(const Plan& plan, const Input& input);
  bool AskPrimaries(const Plan& plan, const Input& input, LocalOutcome::Ask ask);
  Request* SendPart(Request* whole, const PartPlan& plan, const Slice& wire);
  void SendOrDetour(Request* request, Link* link, const Slice& wire);
  bool SendAllParts(const Plan& plan, const Input& input, std::unique_ptr<PartsTask> task,
                    std::vector<PartPlan>* parts);
  bool SendScan(const Plan& plan, const Input& input);

  // lanes.cc, cross_parts.cc: several upstreams.
  RouteChoice RouteOf(const ArgList& args, const CommandEntry* entry);
  void ChooseLane(const ParsedRequest& parsed, bool large);
  void EnterChosen(const CommandEntry* entry);
  std::string_view NameOf(UpstreamIndex upstream) const;
  std::string CrossingLine(const RouteChoice& choice, UpstreamIndex lane) const;
  std::string CannotSplitLine() const;
  std::optional<bool> PerformInLane(const Plan& plan, const Input& input);
  bool OwnLinkIsBusyElsewhere() const;
  bool RefuseInLane(const Plan& plan, const Input& input, std::string_view line);
  bool RefuseSecondOwnLink(const Plan& plan, const Input& input);
  // facade.cc
  Facade MakeFacade() const;
  std::optional<bool> PerformFacade(const Plan& plan, const Input& input);
  void DescribeMode(LocalContext* context);
  // weir_on.cc
  bool IsOn(const ParsedRequest& parsed) const;
  bool PerformOn(const Plan& plan, const Input& input);
  std::string OnRefusal(const ArgList& args, UpstreamIndex* named) const;
  bool SendCrossParts(const Plan& plan, const Input& input);
  std::optional<bool> FindPartLink(const Plan& plan, const Input& input, PartPlan* part);

  // own_request.cc: what goes over the client's own connection.
  bool SendOwn(const Plan& plan, const Input& input);
  std::optional<bool> OpenOwnLink(const Plan& plan, const Input& input, const LinkKey& wanted);
  NodeIndex OwnNode(const Plan& plan) const;
  bool RefuseUnopened(const Plan& plan, const Input& input, std::string_view line);
  void NoteOwnRequest(const Plan& plan, const Input& input, Request* request);
  void PrepareOwnLink(const Plan& plan);
  void NoteStandstill(const Plan& plan, const Input& input);
  void NoteQueuedScript(ScriptUse use, const ParsedRequest& parsed);
  void NoteScript(const Plan& plan, const Input& input, Request* request);
  bool SendLarge(Link* link, const Plan& plan, const Input& input);
  // Nothing: the client's own connection is there and ready.
  std::optional<bool> ReadyOwnLink(const Plan& plan, const Input& input);
  bool NeedsOwnLink(const Plan& plan, const Input& input) const;
  // own_transaction.cc. Whether and how being pinned changes what is done; nothing: it does not.
  std::optional<bool> PerformPinned(const Plan& plan, const Input& input);
  std::optional<bool> AnswerAfterLoss(const Plan& plan, const Input& input);
  bool PerformInTransaction(const Plan& plan, const Input& input);
  bool RefuseInTransaction(const CommandEntry* entry, std::string_view line, const Input& input);
  // What else becomes of a command that weir answers itself, if the node queues it.
  struct LocalInTransaction {
    std::string refusal;  // set: it may not
    bool changes_connection = false;
    std::optional<Credentials> offered;
  };
  LocalInTransaction JudgeLocal(const CommandEntry& entry, const ParsedRequest& parsed,
                                const std::vector<Credentials>& offered_before) const;
  // deferred.cc
  std::optional<bool> Defer(const Plan& plan, const Input& input);
  // What is sent for a request that cannot go as it is.
  struct Instead {
    std::string bytes;
    PinEffect effect = PinEffect::kNone;
    bool effect_on = false;
    bool effect_broadcast = false;
    std::function<std::string(Conversation&, std::string_view)> finish = nullptr;
  };
  bool SendInstead(const Plan& plan, const Input& input, const Instead& instead);
  std::optional<Deferred::StandIn> MakeStandIn(const CommandEntry& entry,
                                               const ParsedRequest& parsed, bool names_queued);
  bool SendStandIn(const Plan& plan, const Input& input, Deferred::StandIn stand_in);
  LocalOutcome AnswerDeferred(std::string_view wire, uint64_t queued);
  bool DeferSubscription(const Plan& plan, const Input& input);  // subscribe.cc
  static Deferred::StandIn MakeSubscription(const CommandEntry& entry, const ParsedRequest& parsed);
  // tracking_redirect.cc
  std::optional<bool> RedirectTracking(const Plan& plan, const Input& input);
  bool ConcernsInvalidations(const ParsedRequest& parsed) const;
  bool AskTracking(const Plan& plan, const Input& input);
  static bool AsksForBroadcast(const ParsedRequest& parsed);
  // cluster_tracking.cc
  std::optional<bool> TrackInCluster(const Plan& plan, const Input& input);
  bool SwitchTracking(const Plan& plan, const Input& input);
  bool Cache(const Plan& plan, const Input& input);
  std::optional<bool> AskTracked(const Plan& plan, const Input& input);
  std::optional<bool> FindTracked(const Plan& plan, const Input& input,
                                  const std::vector<NodeIndex>& nodes,
                                  std::vector<PartPlan>* parts);
  std::optional<bool> Replicate(const Plan& plan, const Input& input);  // replication.cc
  bool FailExec(const Plan& plan, const Input& input);
  void AskWhatChanged();
  bool WaitForAnswers();

  LocalContext MakeLocalContext(const Input& input);
  bool TakeSilence();

  Session& session_;
  Worker& worker_;
  bool refused_ = false;  // the request in hand, by weir
  // With several nodes: what stands behind the request in hand, and how much of that went with it.
  struct Taken {
    size_t bytes = 0;
    uint32_t requests = 0;
  };
  std::string_view following_;
  Taken taken_;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_DISPATCHER_H_
