// The plugin namespaces: whose prefix a client has, and what of its requests and replies is
// changed.
//
//   OnRequest --no rule for the client--> refused, or on as it is  (`unmatched`)
//             --over a quota-----------> an error
//             --PutOn (namespace_request.h) refuses the command--> an error
//             --else--> on, with the prefix before its names; a note of what its reply will name
//   OnReply   takes the prefix off again, as the note says (namespace_reply.h)
//   OnPush    likewise, of messages and invalidations
//
// Inside MULTI the notes are kept, and EXEC takes them along: its reply has one element for each
// command that was queued. Whose names a client hears must not change while it listens: once it has
// subscribed or turned tracking on, it stays in its namespace until RESET.
#include "plugins/namespaces.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "plugins/host.h"
#include "plugins/idem_command.h"
#include "plugins/key_count.h"
#include "plugins/limit_commands.h"
#include "plugins/namespace_reply.h"
#include "plugins/namespace_request.h"
#include "plugins/namespace_rules.h"
#include "plugins/namespaces_config.h"
#include "plugins/plugin.h"
#include "plugins/tenants.h"
#include "plugins/text.h"
#include "resp/frame_scanner.h"
#include "routing/command_class.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr std::string_view kShareName = "namespaces";
const ArgList kNoArgs{absl::Span<const std::string_view>()};
constexpr int kAnyVersion = 3;  // RESP3 includes RESP2
constexpr std::string_view kLostCount =
    "-ERR weir: EXEC answered another number of commands than were queued; the transaction has run "
    "and its replies are not shown\r\n";

// What the plugin knows of a client.
struct Client {
  RuleSet::Rules rules = 0;  // by address and listener
  bool settled = false;      // `user` and `name` are what the namespace was found by
  std::string user;
  std::string name;
  int home_db = 0;
  std::shared_ptr<Tenant> tenant;        // null: no rule is for it, or there was no room
  std::shared_ptr<Tenant> listens;       // whose names come to it unasked; null: nobody's
  bool was_reset = false;                // by its last request
  std::string refusal;                   // why there was no room
  std::vector<NamespaceReply> queued{};  // of each command since MULTI
};

// What is to be done with a reply.
struct Note final : RequestView::Kept {
  std::shared_ptr<const Tenant> tenant;
  NamespaceReply reply = NamespaceReply::kAsIs;
  std::vector<NamespaceReply> queued;
  bool exec = false;
};

bool Is(const CommandEntry* entry, std::string_view name) {
  return entry != nullptr && entry->spec != nullptr && entry->spec->name == name;
}

const CommandSpec* SpecOf(const CommandEntry* entry) {
  return entry == nullptr ? nullptr : entry->spec;
}

// What the plugins behind answer, which the upstream's table does not know.
const CommandEntry* OfPlugins(std::string_view name) {
  static const std::vector<CommandEntry> entries = [] {
    std::vector<CommandEntry> all;
    for (const auto* specs : {&IdemCommandSpecs(), &LimitCommandSpecs()}) {
      for (const CommandSpec* spec : *specs) all.emplace_back().spec = spec;
    }
    return all;
  }();
  for (const CommandEntry& entry : entries) {
    if (EqualsIgnoreCase(entry.spec->name, name)) return &entry;
  }
  return nullptr;
}

bool HasFlag(const CommandEntry* entry, CommandFlag flag) {
  return entry != nullptr && entry->spec != nullptr && entry->spec->flags.Has(flag);
}

bool IsSubscription(const CommandEntry* entry) {
  return entry != nullptr && entry->handling == Handling::kSubscribe;
}

// What Redis does at once instead of queueing it.
bool RunsAtOnce(const CommandEntry* entry) {
  constexpr std::string_view kAtOnce[] = {"exec", "discard", "multi", "watch", "reset", "quit"};
  return std::any_of(std::begin(kAtOnce), std::end(kAtOnce),
                     [entry](std::string_view name) { return Is(entry, name); });
}

// What a client may say of which nobody knows yet whose it is.
bool IsForStrangers(const CommandEntry* entry) {
  constexpr std::string_view kFor[] = {"ping",           "echo",           "select",
                                       "command",        "client|setname", "client|setinfo",
                                       "client|getname", "client|id"};
  return HasFlag(entry, CommandFlag::kNoAuth) ||
         std::any_of(std::begin(kFor), std::end(kFor),
                     [entry](std::string_view name) { return Is(entry, name); });
}

bool IsExempt(const CommandEntry* entry) {
  constexpr AclCategories kExempt = {AclCategory::kConnection, AclCategory::kTransaction};
  return entry != nullptr && entry->spec != nullptr &&
         (entry->spec->categories.bits() & kExempt.bits()) != 0;
}

// Into a db whose keys are not counted.
bool LeavesDb(const CommandEntry* entry, const ArgList& args, int home_db) {
  if (Is(entry, "move")) return true;
  const std::string home = std::to_string(home_db);
  if (Is(entry, "select")) return args.size() == 2 && args[1] != home;
  if (!Is(entry, "copy")) return false;
  for (uint32_t i = 3; i + 1 < args.size(); ++i) {
    if (EqualsIgnoreCase(args[i], "db") && args[i + 1] != home) return true;
  }
  return false;
}

class Namespaces final : public Plugin {
 public:
  Namespaces(std::shared_ptr<Tenants> tenants, Host& host)
      : host_(host), client_slot_(host.TakeSessionSlot()), tenants_(std::move(tenants)) {
    const std::vector<NamespaceRuleSettings>& rules = tenants_->settings().rules;
    matcher_ = RuleSet(std::vector<RuleMatch>(rules.begin(), rules.end()));
    const bool counts = std::any_of(rules.begin(), rules.end(),
                                    [](const auto& rule) { return rule.keys_max != 0; });
    if (counts && host.worker() == 0) key_count_ = std::make_unique<KeyCount>(&host, tenants_);
  }

  std::string_view name() const override { return "namespaces"; }
  HookSet hooks() const override {
    return kHookOpen | kHookRequest | kHookReply | kHookPush | kHookClose;
  }

  Verdict OnOpen(SessionView& session) override {
    auto* client = new Client;
    client->rules = matcher_.ForClient(IpAddressOfPeer(session.address()), session.listener());
    client->home_db = session.db();
    session.word(client_slot_) = reinterpret_cast<uint64_t>(client);
    return Verdict::kContinue;
  }

  void OnClose(SessionView& session) override {
    Client* const client = ClientOf(session);
    if (client->tenant != nullptr) client->tenant->Leave();
    delete client;
  }

  Verdict OnRequest(RequestView& request) override {
    SessionView& session = request.session();
    Client& client = *ClientOf(session);
    const CommandEntry* const entry = request.entry();
    // It takes effect before the next request is looked at, and messages come until then.
    if (client.was_reset) client.listens = nullptr;
    client.was_reset = HasFlag(entry, CommandFlag::kNoAuth) && Is(entry, "reset");
    Settle(session, &client);
    if (client.tenant == nullptr) return OfNobody(client, request);
    if (client.listens != nullptr && client.listens != client.tenant &&
        !HasFlag(entry, CommandFlag::kNoAuth)) {
      return Refuse(request, client,
                    Concat("-NONAMESPACE namespace=", client.tenant->prefix(),
                           " listens=", client.listens->prefix(),
                           " weir: this connection has subscribed, or tracks keys, in another "
                           "namespace; RESET or reconnect"));
    }
    if (std::string line = QuotaLine(client, request); !line.empty()) {
      client.tenant->Count(TenantOutcome::kOverQuota);
      return Answer(request, std::move(line));
    }
    return Rename(request, &client);
  }

  void OnReply(ReplyView& reply) override {
    const Note* const note = reply.Find<Note>();
    if (note == nullptr) return;
    const std::string_view prefix = note->tenant->prefix();
    const int version = reply.session().protocol_version();
    if (!note->exec) return reply.Replace(TakeOff(note->reply, prefix, reply.bytes(), version));
    std::optional<std::string> bytes = TakeOffExec(note->queued, prefix, reply.bytes(), version);
    reply.Replace(bytes.has_value() ? *std::move(bytes) : std::string(kLostCount));
  }

  void OnPush(PushView& push) override {
    const Client& client = *ClientOf(push.session());
    if (client.listens == nullptr) return;
    std::string out;
    std::string_view rest = push.frames();
    while (!rest.empty()) {
      FrameScanner scanner(kAnyVersion);
      const FrameScanner::Result result = scanner.Scan(rest);
      // Not a frame: an acknowledgement's place may hold an error line only, which names nothing.
      const size_t bytes = result.status == ScanStatus::kFrame ? result.consumed : rest.size();
      out += TakeOffPush(client.listens->prefix(), rest.substr(0, bytes));
      rest.remove_prefix(bytes);
    }
    push.Replace(std::move(out));
  }

  std::string Explain(SessionView& session, const ArgList& args, const CommandEntry* entry,
                      int upstream) override {
    Client& client = *ClientOf(session);
    Settle(session, &client);
    if (client.tenant == nullptr) return RefusesStrangers() ? "no rule is for this client" : "";
    const NamespacedRequest made = PutOnWhole(*client.tenant, args, entry, upstream);
    return Concat(
        "namespace ", client.tenant->prefix(), " by rule ", client.tenant->rule().name,
        made.outcome == NamespacedRequest::Outcome::kRefused ? ", where it is refused" : "");
  }

  std::optional<std::vector<std::string>> Renamed(SessionView& session, const ArgList& args,
                                                  const CommandEntry* entry,
                                                  int upstream) override {
    Client& client = *ClientOf(session);
    Settle(session, &client);
    if (client.tenant == nullptr) return std::nullopt;
    NamespacedRequest made = PutOnWhole(*client.tenant, args, entry, upstream);
    if (made.outcome == NamespacedRequest::Outcome::kRewritten) return std::move(made.args);
    if (made.outcome != NamespacedRequest::Outcome::kPrefixed) return std::nullopt;
    std::vector<std::string> other;
    for (uint32_t i = 0; i < args.size(); ++i) other.emplace_back(args[i]);
    for (const uint32_t place : made.positions) other[place].insert(0, client.tenant->prefix());
    return other;
  }

 private:
  Client* ClientOf(SessionView& session) const {
    return reinterpret_cast<Client*>(session.word(client_slot_));
  }
  bool RefusesStrangers() const {
    return tenants_->settings().unmatched == NamespaceUnmatched::kRefuse;
  }

  NamespaceScope ScopeOf(const Tenant& tenant, NamespaceRule rule, int upstream) {
    const bool flushes = rule.way == NamespaceWay::kFlushdb || rule.way == NamespaceWay::kFlushall;
    return {.prefix = tenant.prefix(),
            .scripts = tenant.rule().scripts == NamespaceScripts::kDeclaredKeys,
            .cluster = flushes && host_.KeyOfEachNode(upstream) != std::vector<std::string>{""},
            .routing = &host_.Routing(upstream)};
  }

  NamespacedRequest PutOnWhole(const Tenant& tenant, const ArgList& args, const CommandEntry* entry,
                               int upstream) {
    if (entry == nullptr) entry = OfPlugins(args[0]);
    const NamespaceRule rule =
        SpecOf(entry) == nullptr ? NamespaceRule() : RuleOfNamespace(*SpecOf(entry));
    return PutOn(entry, args, ScopeOf(tenant, rule, upstream), /*whole=*/true, args.size());
  }

  // Whose namespace it is in now. A client that found no room asks again with each request.
  void Settle(SessionView& session, Client* client) {
    if (client->settled && client->user == session.user() &&
        client->name == session.client_name()) {
      return;
    }
    client->user = session.user();
    client->name = session.client_name();
    client->settled = true;
    client->refusal.clear();
    std::shared_ptr<Tenant> tenant = Find(session, client);
    if (tenant == client->tenant) return;
    if (tenant != nullptr && !tenant->Join()) {
      client->refusal = Concat("-QUOTA namespace=", tenant->prefix(), " rule=", tenant->rule().name,
                               " connections_max=", tenant->rule().connections_max);
      client->settled = false;
      tenant->Count(TenantOutcome::kOverQuota);
      tenant = nullptr;
    }
    if (client->tenant != nullptr) client->tenant->Leave();
    client->tenant = std::move(tenant);
    session.set_names_prefix(client->tenant == nullptr ? "" : client->tenant->prefix());
  }

  std::shared_ptr<Tenant> Find(SessionView& session, Client* client) {
    const std::vector<NamespaceRuleSettings>& rules = tenants_->settings().rules;
    RuleSet::Rules candidates = client->rules;
    while (candidates != 0) {
      const int found = matcher_.Find(candidates, 0, session, nullptr, kNoArgs).rule;
      if (found == RuleSet::kNone) return nullptr;
      const NamespaceRuleSettings& rule = rules[static_cast<size_t>(found)];
      const std::string_view who = rule.by == NamespaceBy::kUser         ? session.user()
                                   : rule.by == NamespaceBy::kClientName ? session.client_name()
                                   : rule.by == NamespaceBy::kListener   ? session.listener()
                                                                         : std::string_view();
      if (rule.by != NamespaceBy::kNone && who.empty()) {
        // A rule by name is not for who has none.
        candidates &= ~(RuleSet::Rules{1} << found);
        continue;
      }
      std::shared_ptr<Tenant> tenant =
          tenants_->Get(rule, NamespacePrefix(rule, who), host_.NowNs());
      if (tenant == nullptr) {
        client->refusal = Concat("-QUOTA rule=", rule.name,
                                 " namespaces_max=", tenants_->settings().namespaces_max);
        client->settled = false;
      }
      return tenant;
    }
    return nullptr;
  }

  Verdict OfNobody(const Client& client, RequestView& request) {
    if (HasFlag(request.entry(), CommandFlag::kNoAuth)) return Verdict::kContinue;
    if (!client.refusal.empty()) return Answer(request, client.refusal);
    if (!RefusesStrangers() || IsForStrangers(request.entry())) return Verdict::kContinue;
    return Answer(request, Concat("-NONAMESPACE user=", Printable(client.user),
                                  " weir: no rule of [plugin.namespaces] is for this client"));
  }

  // Empty: it may pass.
  std::string QuotaLine(const Client& client, RequestView& request) {
    Tenant& tenant = *client.tenant;
    const NamespaceRuleSettings& rule = tenant.rule();
    ArgList args = request.args();
    const CommandEntry* entry = request.entry();
    // Of WEIR.IDEM, the command within is what counts.
    if (const uint32_t own = IsIdemCommand(args[0]) ? IdemOwnArgs(args) : 0;
        own != 0 && own < args.size()) {
      args = args.Tail(own);
      entry = host_.Routing(request.upstream()).Resolve(args);
    }
    if (rule.keys_max != 0) {
      // RESET leads to db 0, wherever home is.
      const bool away = request.session().db() != client.home_db && !Is(entry, "select") &&
                        !HasFlag(entry, CommandFlag::kNoAuth);
      if (away || LeavesDb(entry, args, client.home_db)) {
        return Concat("-QUOTA namespace=", tenant.prefix(), " rule=", rule.name,
                      " db=", client.home_db,
                      " weir: keys_max counts the keys of this db, so the client stays in it");
      }
      const bool adds =
          (HasFlag(entry, CommandFlag::kWrite) && HasFlag(entry, CommandFlag::kDenyoom)) ||
          (entry != nullptr && entry->runs_script && !HasFlag(entry, CommandFlag::kReadonly));
      if (adds && tenant.full()) {
        return Concat("-QUOTA namespace=", tenant.prefix(), " rule=", rule.name,
                      " keys=", tenant.keys(), " keys_max=", rule.keys_max);
      }
    }
    return IsExempt(entry) ? std::string() : tenant.Take(host_.NowNs(), request.bytes());
  }

  Verdict Rename(RequestView& request, Client* client) {
    const CommandEntry* entry = request.entry();
    if (entry == nullptr) entry = OfPlugins(request.args()[0]);
    Tenant& tenant = *client->tenant;
    const bool in_transaction = request.session().in_transaction();
    const bool queued = in_transaction && !RunsAtOnce(entry);
    if (queued && (IsSubscription(entry) || Is(entry, "client|reply"))) {
      return Refuse(request, *client,
                    Concat("-NONAMESPACE namespace=", tenant.prefix(), " weir: '",
                           entry->spec->name, "' is not possible inside MULTI in a namespace"));
    }
    const CommandSpec* const spec = SpecOf(entry);
    const NamespaceRule rule = spec == nullptr            ? NamespaceRule()
                               : request.entry() == entry ? rules_.Of(*spec)
                                                          : RuleOfNamespace(*spec);
    const NamespaceScope scope = ScopeOf(tenant, rule, request.upstream());
    NamespacedRequest made = spec == nullptr ? PutOn(entry, request.args(), scope,
                                                     request.is_whole(), request.argc_declared())
                                             : PutOn(rule, entry, request.args(), scope,
                                                     request.is_whole(), request.argc_declared());
    switch (made.outcome) {
      case NamespacedRequest::Outcome::kRefused:
        return Refuse(request, *client, std::move(made.refusal));
      case NamespacedRequest::Outcome::kRewritten:
        request.Rewrite(std::move(made.args));
        break;
      case NamespacedRequest::Outcome::kPrefixed:
        request.PutBefore(made.positions, tenant.prefix());
        break;
      case NamespacedRequest::Outcome::kPass:
        break;
    }
    tenant.Count(TenantOutcome::kPassed);
    if (rule.way == NamespaceWay::kTracking || IsSubscription(entry)) {
      client->listens = client->tenant;
    }
    // Where their plugin is off, Redis says that it knows no such command with these arguments.
    if (request.entry() == nullptr) made.reply = std::max(made.reply, NamespaceReply::kErrors);
    NoteReply(request, made.reply, queued, in_transaction && Is(entry, "exec"), client);
    return Verdict::kContinue;
  }

  static void NoteReply(RequestView& request, NamespaceReply reply, bool queued, bool exec,
                        Client* client) {
    if (queued) {
      client->queued.push_back(reply);
    } else if (!exec) {
      // MULTI begins anew, DISCARD and RESET forget; of what else there is none.
      if (!request.session().in_transaction() || RunsAtOnceAndForgets(request.entry())) {
        client->queued.clear();
      }
    }
    const bool any =
        exec && std::any_of(client->queued.begin(), client->queued.end(),
                            [](NamespaceReply of) { return of != NamespaceReply::kAsIs; });
    if (!any && (exec || reply == NamespaceReply::kAsIs || IsSubscription(request.entry()))) {
      if (exec) client->queued.clear();
      return;
    }
    auto note = std::make_unique<Note>();
    note->tenant = client->tenant;
    note->reply = reply;
    note->exec = exec;
    if (exec) note->queued = std::exchange(client->queued, {});
    request.KeepUntilDone(std::move(note));
    // What was popped must not be lost because it is too long to be held.
    const bool head = !exec && !queued && reply == NamespaceReply::kFirst;
    head ? request.WantReplyHead(HeadBytes(request.args())) : request.WantReply();
  }

  // As far as the name in it can reach: it is one of the arguments.
  static size_t HeadBytes(const ArgList& args) {
    constexpr size_t kHeaderBytesMax = 64;
    size_t longest = 0;
    for (uint32_t i = 0; i < args.size(); ++i) longest = std::max(longest, args[i].size());
    return longest + kHeaderBytesMax;
  }

  static bool RunsAtOnceAndForgets(const CommandEntry* entry) {
    return Is(entry, "discard") || Is(entry, "reset");
  }

  static Verdict Refuse(RequestView& request, const Client& client, std::string line) {
    client.tenant->Count(TenantOutcome::kRefused);
    return Answer(request, std::move(line));
  }

  static Verdict Answer(RequestView& request, std::string line) {
    line += "\r\n";
    request.Answer(std::move(line));
    return Verdict::kAnswered;
  }

  Host& host_;
  const size_t client_slot_;  // a session's word here: its Client
  const std::shared_ptr<Tenants> tenants_;
  RuleSet matcher_;
  NamespaceRules rules_;
  std::unique_ptr<KeyCount> key_count_;  // null: another worker's, or no rule has keys_max
};

void CheckNamespaces(const PluginConfig& config, ConfigErrors* errors) {
  ReadNamespaces(config, errors);
}

}  // namespace

PluginSchema NamespacesSchema() {
  return {"namespaces",
          "Puts a prefix before the keys and channels of clients, so that tenants share a Redis.",
          false,
          NamespaceKeys(),
          &NamespaceDefaults(),
          NamespaceTables(),
          &CheckNamespaces};
}

absl::StatusOr<std::unique_ptr<Plugin>> MakeNamespaces(const PluginConfig& config, Host& host) {
  ConfigErrors errors(config.filename);
  NamespaceSettings settings = ReadNamespaces(config, &errors);
  if (!errors.empty()) return errors.ToStatus();
  if (settings.rules.empty() && settings.unmatched == NamespaceUnmatched::kPass) return nullptr;
  bool is_first = false;
  const std::shared_ptr<void> shared = host.Share(kShareName, [&]() -> std::shared_ptr<void> {
    is_first = true;
    return std::make_shared<Tenants>(std::move(settings));
  });
  auto tenants = std::static_pointer_cast<Tenants>(shared);
  if (is_first) host.AddMetrics(tenants);
  return std::make_unique<Namespaces>(std::move(tenants), host);
}

}  // namespace weir
