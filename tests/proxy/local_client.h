// A client of weir without sockets of its own: its requests go through RunLocalCommand, and the
// outcomes are carried out as a session would, against a real redis-server.
#ifndef WEIR_TESTS_PROXY_LOCAL_CLIENT_H_
#define WEIR_TESTS_PROXY_LOCAL_CLIENT_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "proxy/backend/handshake.h"
#include "proxy/client/authenticator.h"
#include "proxy/client/local_commands.h"
#include "proxy/config.h"
#include "resp/request_parser.h"
#include "routing/command_class.h"
#include "routing/command_policy.h"
#include "routing/command_table.h"
#include "tests/support/support.h"

namespace weir::harness {

// The clients of one worker, as CLIENT LIST and CLIENT KILL see them.
class FakeClients : public ClientTable {
 public:
  void ForEach(const std::function<void(const ClientRow&)>& visit) const override {
    for (const ClientRow& row : rows) visit(row);
  }
  bool Kill(uint64_t id) override {
    const auto found =
        std::find_if(rows.begin(), rows.end(), [id](const ClientRow& row) { return row.id == id; });
    if (found == rows.end()) return false;
    rows.erase(found);
    return true;
  }

  void CountMonitor(size_t, size_t) override {}
  bool Unblock(uint64_t id, bool with_error) override {
    unblocked_with_error = with_error;
    return id == blocked_id;
  }
  int64_t OwnConnectionId(uint64_t) const override { return 0; }

  std::vector<ClientRow> rows;
  uint64_t blocked_id = 0;
  bool unblocked_with_error = false;
};

inline ClientRow MakeRow(uint64_t id) {
  ClientRow row = {};
  row.id = id;
  row.address = "127.0.0.1:" + std::to_string(50000 + id);
  row.local_address = "127.0.0.1:6380";
  row.fd = static_cast<int>(id) + 10;
  row.user = "default";
  row.age_s = static_cast<int64_t>(id);
  row.protocol_version = 2;
  row.last_command = "client|list";
  row.queued = -1;
  return row;
}

// What HELLO says of a server, to one who knows its password.
inline ServerFacts FactsOf(const RedisServer& redis, const std::string& password) {
  ServerFacts facts;
  RawClient client(redis.port());
  if (!password.empty()) client.Command({"AUTH", password});
  const Reply reply = ParseReply(client.Command({"HELLO", "2"}));
  facts.server = reply.at("server").text;
  facts.version = reply.at("version").text;
  facts.mode = reply.at("mode").text;
  facts.role = reply.at("role").text;
  return facts;
}

inline std::shared_ptr<const RoutingTable> RoutingOf(const RedisServer& redis,
                                                     const std::string& password) {
  RawClient client(redis.port());
  if (!password.empty()) client.Command({"AUTH", password});
  const auto theirs = CommandTable::FromReply(client.Command({"COMMAND"}));
  EXPECT_TRUE(theirs.ok()) << theirs.status();
  return RoutingTable::Make(CommandTable::Merge(*CommandTable::BuiltIn(), **theirs),
                            *CommandPolicy::Parse({"@all"}, {}));
}

class LocalClient {
 public:
  explicit LocalClient(const RedisServer& redis, AuthConfig auth_config = {},
                       const std::string& password = "")
      : port_(redis.port()),
        auth(std::move(auth_config)),
        server(FactsOf(redis, password)),
        routing(RoutingOf(redis, password)) {
    conversation.id = 7;
    conversation.authenticated = !AuthRequired(auth, false);
    workers[0].rows = {MakeRow(conversation.id)};
  }

  // The reply's bytes. A command that is not local goes straight to Redis.
  std::string Run(const std::vector<std::string>& args) {
    const std::string bytes = Encode(args);
    RequestParser parser{RequestLimits()};
    ParseState state;
    ParsedRequest request;
    EXPECT_EQ(parser.Parse(&state, bytes, &request), ParseStatus::kRequest);
    const CommandEntry* entry = routing->Resolve(request);
    if (entry == nullptr || entry->handling != Handling::kLocal) return Send({}, bytes);
    const LocalOutcome outcome = RunLocalCommand(Context(), *entry, request, conversation);
    return CarryOut(outcome, bytes);
  }

 private:
  using Key = std::tuple<int, int, std::string, std::string>;

  LocalContext Context() {
    LocalContext context;
    context.routing = routing.get();
    context.auth = &auth;
    context.server = &server;
    context.databases_known = databases_known;
    context.url_has_credentials = url_has_credentials;
    context.self = [this] {
      ClientRow row = MakeRow(conversation.id);
      row.name = conversation.name();
      row.user = conversation.user();
      row.db = conversation.db;
      row.protocol_version = conversation.protocol_version;
      row.last_command = "client|info";
      return row;
    };
    context.weir_info = [] { return std::string("# Weir\r\nweir_version:0.1.0\r\n"); };
    context.report = [](LocalCommand, std::string_view upstream) {
      std::optional<std::vector<std::string>> lines;
      if (upstream != "nobody") lines = std::vector<std::string>{"report"};
      return lines;
    };
    context.explain = [](const std::vector<std::string_view>& args) {
      return std::vector<std::string>{"command: " + std::string(args[0]),
                                      "arguments: " + std::to_string(args.size() - 1)};
    };
    return context;
  }

  std::string CarryOut(const LocalOutcome& outcome, const std::string& bytes) {
    switch (outcome.kind) {
      case LocalOutcome::Kind::kClose:
        closed = true;
        return outcome.reply;
      case LocalOutcome::Kind::kReply:
        return outcome.reply;
      case LocalOutcome::Kind::kAsk:
        break;
      case LocalOutcome::Kind::kGather:
        return Gather(outcome.gather);
    }
    ++asked;
    const std::string reply =
        Send(outcome.ask, outcome.ask.request.empty() ? bytes : outcome.ask.request);
    if (!outcome.ask.permits) return outcome.ask.finish(conversation, reply);
    return outcome.ask.permits(reply) ? Gather(outcome.gather) : reply;
  }

  std::string Gather(const LocalOutcome::Gather& gather) {
    std::vector<std::string> parts(2);
    for (size_t i = 0; i < parts.size(); ++i) gather.visit(workers[i], &parts[i]);
    return gather.combine(conversation, parts);
  }

  // Sends bytes on the link that the conversation and the question call for.
  std::string Send(const LocalOutcome::Ask& ask, const std::string& bytes) {
    LinkKey key;
    key.protocol_version =
        static_cast<uint8_t>(ask.protocol_version.value_or(conversation.protocol_version));
    key.db = ask.db.value_or(conversation.db);
    if (ask.credentials) {
      key.user = ask.credentials->user;
      key.password = ask.credentials->password;
    } else if (conversation.names != nullptr) {
      key.user = conversation.names->upstream_user;
      key.password = conversation.names->upstream_password;
    }
    auto& link = links_[{key.protocol_version, key.db, key.user, key.password}];
    if (link == nullptr) {
      auto fresh = std::make_unique<RawClient>(port_);
      for (const HandshakeStep& step : MakeHandshake(key, "", false)) {
        fresh->Send(step.request);
        std::string reply = fresh->ReadFrame();
        if (step.required && reply.starts_with('-')) return reply;
      }
      link = std::move(fresh);
    }
    link->Send(bytes);
    return link->ReadFrame();
  }

  const uint16_t port_;
  std::map<Key, std::unique_ptr<RawClient>> links_;

 public:
  AuthConfig auth;
  ServerFacts server;
  std::shared_ptr<const RoutingTable> routing;
  Conversation conversation;
  FakeClients workers[2];
  int databases_known = 1;
  bool url_has_credentials = false;
  int asked = 0;  // how often Redis was asked
  bool closed = false;
};

}  // namespace weir::harness

#endif  // WEIR_TESTS_PROXY_LOCAL_CLIENT_H_
