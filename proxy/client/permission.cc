#include "proxy/client/permission.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "proxy/config.h"

namespace weir {
namespace {

// A request that Redis answers without doing anything.
struct Probe {
  LocalCommand local;
  std::string_view command;
  std::string_view args[3];  // empty: none
};

constexpr Probe kProbes[] = {
    {LocalCommand::kSelect, "SELECT", {"none"}},
    {LocalCommand::kInfo, "INFO", {"weir"}},
    {LocalCommand::kClientGetname, "CLIENT", {"GETNAME"}},
    {LocalCommand::kClientGetredir, "CLIENT", {"GETREDIR"}},
    {LocalCommand::kClientId, "CLIENT", {"ID"}},
    {LocalCommand::kClientInfo, "CLIENT", {"INFO"}},
    {LocalCommand::kClientKill, "CLIENT", {"KILL", "ID", "0"}},
    {LocalCommand::kClientList, "CLIENT", {"LIST", "TYPE", "none"}},
    {LocalCommand::kClientNoEvict, "CLIENT", {"NO-EVICT", "probe"}},
    {LocalCommand::kClientNoTouch, "CLIENT", {"NO-TOUCH", "probe"}},
    {LocalCommand::kClientReply, "CLIENT", {"REPLY", "probe"}},
    {LocalCommand::kClientSetinfo, "CLIENT", {"SETINFO", "probe", "probe"}},
    {LocalCommand::kClientSetname, "CLIENT", {"SETNAME", " "}},
    {LocalCommand::kClientTrackinginfo, "CLIENT", {"TRACKINGINFO"}},
    {LocalCommand::kClientUnblock, "CLIENT", {"UNBLOCK", "0"}},
    // Redis has none of weir's own commands; who may not even PING it is to be told nothing.
    {LocalCommand::kWeirExplain, "PING", {}},
    {LocalCommand::kWeirHealth, "PING", {}},
    {LocalCommand::kWeirHelp, "PING", {}},
    // They show of all clients what Redis' own slow log would.
    {LocalCommand::kWeirBigkeys, "SLOWLOG", {"LEN"}},
    {LocalCommand::kWeirHotkeys, "SLOWLOG", {"LEN"}},
    {LocalCommand::kWeirSlowlog, "SLOWLOG", {"LEN"}},
    {LocalCommand::kWeirTopology, "PING", {}},
    {LocalCommand::kWeirUpstreams, "PING", {}},
};

std::string ProbeRequest(const Probe& probe) {
  std::vector<std::string_view> args = {probe.command};
  for (const std::string_view arg : probe.args) {
    if (!arg.empty()) args.push_back(arg);
  }
  std::string request;
  AppendRequest(&request, args);
  return request;
}

const Probe* FindProbe(LocalCommand local) {
  const auto probe = std::find_if(std::begin(kProbes), std::end(kProbes),
                                  [local](const Probe& row) { return row.local == local; });
  return probe == std::end(kProbes) ? nullptr : probe;
}

LocalOutcome Ask(const LocalCall& call) {
  LocalOutcome outcome;
  outcome.kind = LocalOutcome::Kind::kAsk;
  // Without a probe the client's own bytes are sent, which Redis will check as well.
  if (const Probe* probe = FindProbe(call.entry.local)) outcome.ask.request = ProbeRequest(*probe);
  return outcome;
}

}  // namespace

std::string PermissionProbe(LocalCommand local) {
  const Probe* probe = FindProbe(local);
  return probe == nullptr ? std::string() : ProbeRequest(*probe);
}

// Whatever Redis itself had to say of a probe's arguments has the code ERR. Other errors are about
// the user (NOPERM, NOAUTH) or about Redis being unable to tell (LOADING, and weir's own).
bool Permits(std::string_view reply) {
  return !reply.starts_with('-') ||
         (reply.starts_with("-ERR ") && !reply.starts_with("-ERR weir:"));
}

bool NeedsPermission(const LocalCall& call) {
  return call.context.auth->mode == AuthMode::kPassthrough;
}

LocalOutcome AskPermission(const LocalCall& call, std::function<std::string(Conversation&)> then) {
  LocalOutcome outcome = Ask(call);
  outcome.ask.serial = true;  // `then` may change the conversation
  outcome.ask.finish = [then = std::move(then)](Conversation& conversation,
                                                std::string_view reply) {
    return Permits(reply) ? then(conversation) : std::string(reply);
  };
  return outcome;
}

LocalOutcome GatherWithPermission(const LocalCall& call, LocalOutcome::Gather gather) {
  LocalOutcome outcome;
  if (NeedsPermission(call)) {
    outcome = Ask(call);
    outcome.ask.permits = Permits;
  } else {
    outcome.kind = LocalOutcome::Kind::kGather;
  }
  outcome.gather = std::move(gather);
  return outcome;
}

}  // namespace weir
