// COMMAND through weir: Redis' own reply with weir's commands in it, and nothing else changed.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "proxy/client/command_docs.h"
#include "resp/frame_scanner.h"
#include "resp/reply_elements.h"
#include "routing/glob.h"
#include "tests/proxy/local_client.h"

namespace weir::harness {
namespace {

using Args = std::vector<std::string>;

class LocalCommandTest : public testing::TestWithParam<int> {
 protected:
  LocalCommandTest() : direct(redis.port()), weir(redis) {
    // Each look-up of a command moves a little of Redis' tables into larger ones, until they have
    // the size that they need; until then two replies to COMMAND may differ in their order.
    std::string lookups;
    for (int i = 0; i < 1000; ++i) lookups += Encode({"COMMAND", "COUNT"});
    direct.Send(lookups);
    direct.ReadFrames(1000);
    if (GetParam() == 3) {
      direct.Command({"HELLO", "3"});
      weir.Run({"HELLO", "3"});
    }
  }

  const RedisServer redis;
  RawClient direct;
  LocalClient weir;
};

INSTANTIATE_TEST_SUITE_P(Resp, LocalCommandTest, testing::Values(2, 3));

// An aggregate reply with its elements as strings of their own.
struct Aggregate {
  uint64_t count = 0;  // as the header has it
  std::vector<std::string> elements;
};

Aggregate Cut(const std::string& reply, int protocol_version) {
  const auto header = ReadAggregateHeader(reply);
  const auto elements = CutElements(reply, protocol_version);
  if (!header || !elements) {
    ADD_FAILURE() << "no aggregate: " << Printable(reply);
    return {};
  }
  return {header->count, {elements->begin(), elements->end()}};
}

// The type of each element and of each element's elements, and so on.
std::string Shape(const Reply& reply) {
  std::string shape(1, reply.type);
  if (!reply.elements.empty()) {
    shape += '(';
    for (const Reply& element : reply.elements) shape += Shape(element);
    shape += ')';
  }
  return shape;
}

TEST_P(LocalCommandTest, HasTwoCommandsMore) {
  const Aggregate theirs = Cut(direct.Command({"COMMAND"}), GetParam());
  for (const Args& args : {Args{"COMMAND"}, Args{"COMMAND", "INFO"}}) {
    Aggregate ours = Cut(weir.Run(args), GetParam());
    EXPECT_EQ(ours.count, theirs.count + 2);
    ASSERT_EQ(ours.elements.size(), ours.count);
    EXPECT_EQ(ours.elements.back(), CommandInfoEntry(*FindOwnCommand("weir"), 10, GetParam()));
    ours.elements.pop_back();
    EXPECT_EQ(ours.elements.back(), CommandInfoEntry(*FindOwnCommand("weir.on"), 10, GetParam()));
    ours.elements.pop_back();
    EXPECT_TRUE(ours.elements == theirs.elements);
  }
  EXPECT_EQ(weir.Run({"COMMAND", "COUNT"}), ":" + std::to_string(theirs.count + 2) + "\r\n");
}

// weir's entry has the types that Redis' own entries have. LATENCY is also a container without
// keys, whose subcommands have none either.
TEST_P(LocalCommandTest, EntriesHaveRedisTypes) {
  const Reply ours = ParseReply(weir.Run({"COMMAND", "INFO", "weir"}));
  const Reply theirs = ParseReply(direct.Command({"COMMAND", "INFO", "latency"}));
  ASSERT_EQ(ours.elements.size(), 1u);
  const Reply& our_entry = ours.elements[0];
  const Reply& their_entry = theirs.elements[0];
  ASSERT_EQ(our_entry.elements.size(), their_entry.elements.size());
  for (size_t i = 0; i < our_entry.elements.size(); ++i) {
    EXPECT_EQ(our_entry.elements[i].type, their_entry.elements[i].type) << i;
  }
  const Reply& our_help = our_entry.elements[9].elements[3];
  EXPECT_EQ(our_help.elements[0].text, "weir|help");
  for (const Reply& sub : their_entry.elements[9].elements) {
    if (sub.elements[0].text == "latency|help") {
      EXPECT_EQ(our_help.elements[1].text, sub.elements[1].text) << "arity";
      for (size_t i = 0; i < 10; ++i) {
        EXPECT_EQ(our_help.elements[i].type, sub.elements[i].type) << i;
      }
    }
  }
}

TEST_P(LocalCommandTest, InfoPutsWeirInItsPlace) {
  const auto theirs =
      Cut(direct.Command({"COMMAND", "INFO", "get", "config|set", "nonsense"}), GetParam())
          .elements;
  const auto ours = Cut(weir.Run({"COMMAND", "INFO", "WEIR", "get", "weir|Help", "config|set",
                                  "nonsense", "weir|nonsense"}),
                        GetParam())
                        .elements;
  ASSERT_EQ(ours.size(), 6u);
  EXPECT_EQ(ours[0], CommandInfoEntry(*FindOwnCommand("weir"), 10, GetParam()));
  EXPECT_EQ(ours[1], theirs[0]);
  EXPECT_EQ(ours[2], CommandInfoEntry(*FindOwnCommand("weir|help"), 10, GetParam()));
  EXPECT_EQ(ours[3], theirs[1]);
  EXPECT_EQ(ours[4], theirs[2]);
  EXPECT_EQ(ours[5], theirs[2]) << "null";
}

TEST_P(LocalCommandTest, DocsHasTwoCommandsMore) {
  const Aggregate theirs = Cut(direct.Command({"COMMAND", "DOCS"}), GetParam());
  Aggregate ours = Cut(weir.Run({"COMMAND", "DOCS"}), GetParam());
  EXPECT_EQ(ours.count, theirs.count + (GetParam() == 3 ? 2 : 4));
  ASSERT_GT(ours.elements.size(), 4u);
  const std::string description = ours.elements.back();
  ours.elements.pop_back();
  EXPECT_EQ(ours.elements.back() + description,
            CommandDocsPair(*FindOwnCommand("weir"), GetParam()));
  ours.elements.pop_back();
  const std::string of_on = ours.elements.back();
  ours.elements.pop_back();
  EXPECT_EQ(ours.elements.back() + of_on, CommandDocsPair(*FindOwnCommand("weir.on"), GetParam()));
  ours.elements.pop_back();
  EXPECT_TRUE(ours.elements == theirs.elements);
}

TEST_P(LocalCommandTest, DocsPutsWeirInItsPlace) {
  const auto theirs =
      Cut(direct.Command({"COMMAND", "DOCS", "GET", "nonsense", "config|set", "GET"}), GetParam())
          .elements;
  ASSERT_EQ(theirs.size(), 6u);
  const std::string reply = weir.Run({"COMMAND", "DOCS", "GET", "nonsense", "weir|explain",
                                      "config|set", "weir|nonsense", "GET", "WEIR"});
  std::string expected = GetParam() == 3 ? "%5\r\n" : "*10\r\n";
  expected += theirs[0] + theirs[1];
  expected += CommandDocsPair(*FindOwnCommand("weir|explain"), GetParam());
  for (size_t i = 2; i < 6; ++i) expected += theirs[i];
  expected += CommandDocsPair(*FindOwnCommand("weir"), GetParam());
  EXPECT_EQ(Printable(reply), Printable(expected));
  EXPECT_TRUE(reply == expected);
}

// weir's description has the form of Redis' own: PING, too, has one summary and arguments.
TEST_P(LocalCommandTest, DocsHaveRedisTypes) {
  const Reply ours = ParseReply(weir.Run({"COMMAND", "DOCS", "weir|explain"})).elements[1];
  const Reply theirs = ParseReply(direct.Command({"COMMAND", "DOCS", "ping"})).elements[1];
  for (const char* field : {"summary", "since", "group", "complexity"}) {
    EXPECT_EQ(ours.at(field).type, theirs.at(field).type) << field;
    EXPECT_FALSE(ours.at(field).text.empty()) << field;
  }
  const Reply& argument = ours.at("arguments").elements[1];
  const Reply& their_argument = theirs.at("arguments").elements[0];
  EXPECT_EQ(Shape(argument.at("name")), Shape(their_argument.at("name")));
  EXPECT_EQ(argument.at("type").text, their_argument.at("type").text);
  EXPECT_EQ(argument.at("flags").type, their_argument.at("flags").type);
}

std::vector<std::string> Names(const std::string& reply) {
  std::vector<std::string> names;
  for (const Reply& element : ParseReply(reply).elements) names.push_back(element.text);
  return names;
}

TEST_P(LocalCommandTest, ListIsFilteredAsRedisDoes) {
  const std::vector<std::pair<Args, Args>> cases = {
      {{},
       {"weir", "weir.on", "weir|bigkeys", "weir|explain", "weir|health", "weir|help",
        "weir|hotkeys", "weir|slowlog", "weir|topology", "weir|upstreams"}},
      {{"FILTERBY", "ACLCAT", "connection"},
       {"weir|explain", "weir|health", "weir|help", "weir|topology", "weir|upstreams"}},
      {{"filterby", "aclcat", "SLOW"},
       {"weir", "weir.on", "weir|bigkeys", "weir|explain", "weir|health", "weir|hotkeys",
        "weir|slowlog", "weir|topology", "weir|upstreams"}},
      {{"FILTERBY", "ACLCAT", "geo"}, {}},
      {{"FILTERBY", "MODULE", "weir"}, {}},
      {{"FILTERBY", "PATTERN", "*w?IR"}, {"weir"}},
      {{"FILTERBY", "PATTERN", "*EIR*"},
       {"weir", "weir.on", "weir|bigkeys", "weir|explain", "weir|health", "weir|help",
        "weir|hotkeys", "weir|slowlog", "weir|topology", "weir|upstreams"}},
      {{"FILTERBY", "PATTERN", "weir|[a-f]*"}, {"weir|bigkeys", "weir|explain"}},
  };
  for (const auto& [filter, own] : cases) {
    Args args = {"COMMAND", "LIST"};
    args.insert(args.end(), filter.begin(), filter.end());
    Args expected = Names(direct.Command(args));
    expected.insert(expected.end(), own.begin(), own.end());
    Args ours = Names(weir.Run(args));
    std::sort(expected.begin(), expected.end());
    std::sort(ours.begin(), ours.end());
    EXPECT_EQ(ours, expected) << Printable(Encode(args));
  }
}

TEST_P(LocalCommandTest, WeirHasNoKeys) {
  EXPECT_EQ(weir.Run({"COMMAND", "GETKEYS", "WEIR", "HELP"}),
            direct.Command({"COMMAND", "GETKEYS", "PING", "x"}));
  EXPECT_EQ(weir.Run({"COMMAND", "GETKEYSANDFLAGS", "weir", "explain", "get", "x"}),
            direct.Command({"COMMAND", "GETKEYSANDFLAGS", "PING", "x"}));
  EXPECT_EQ(weir.Run({"COMMAND", "GETKEYS", "weir", "nonsense"}),
            direct.Command({"COMMAND", "GETKEYS", "latency", "nonsense"}));
}

// weir reads tables of commands itself, also one that another weir gave.
TEST(LocalCommandTableTest, IsReadBackAsTheSameTable) {
  const RedisServer redis;
  LocalClient weir(redis);
  const auto table = CommandTable::FromReply(weir.Run({"COMMAND"}));
  ASSERT_TRUE(table.ok()) << table.status();
  for (const CommandSpec* own : OwnCommands()) {
    const std::string_view top = own->parent == nullptr ? own->name : own->parent->name;
    const CommandSpec* found = (*table)->Find(top);
    ASSERT_NE(found, nullptr);
    if (own->parent != nullptr) found = (*table)->FindSubcommand(*found, own->own_name());
    ASSERT_NE(found, nullptr) << own->name;
    EXPECT_EQ(found->arity, own->arity);
    EXPECT_EQ(found->flags, own->flags);
    EXPECT_EQ(found->categories, own->categories);
  }
}

// A reply in the old protocol that is overtaken by HELLO 3 keeps the old protocol.
TEST(LocalCommandPipelineTest, ReplyKeepsTheVersionOfItsRequest) {
  const RedisServer redis;
  LocalClient client(redis);
  RawClient direct(redis.port());
  for (const Args& args : {Args{"INFO", "server", "weir"}, Args{"COMMAND", "COUNT"},
                           Args{"COMMAND", "INFO", "weir", "get"}, Args{"COMMAND", "DOCS", "weir"},
                           Args{"CLIENT", "LIST"}}) {
    const std::string bytes = Encode(args);
    RequestParser parser{RequestLimits()};
    ParseState state;
    ParsedRequest request;
    ASSERT_EQ(parser.Parse(&state, bytes, &request), ParseStatus::kRequest);
    LocalContext context;
    context.routing = client.routing.get();
    context.auth = &client.auth;
    context.server = &client.server;
    context.weir_info = [] { return std::string("# Weir"); };
    Conversation conversation;
    LocalOutcome outcome =
        RunLocalCommand(context, *client.routing->Resolve(request), request, conversation);
    conversation.protocol_version = 3;
    std::string reply;
    if (outcome.kind == LocalOutcome::Kind::kAsk) {
      reply = outcome.ask.finish(conversation, direct.Command(args));
    } else {
      std::string part;
      outcome.gather.visit(client.workers[0], &part);
      reply = outcome.gather.combine(conversation, {part});
    }
    FrameScanner scanner(2);
    const FrameScanner::Result result = scanner.Scan(reply);
    EXPECT_EQ(result.status, ScanStatus::kFrame) << Printable(reply);
    EXPECT_EQ(result.consumed, reply.size()) << Printable(reply);
  }
}

TEST(LocalCommandOldServerTest, EntriesHaveAsManyFieldsAsTheServers) {
  const std::string ours = CommandInfoEntry(*FindOwnCommand("weir"), 6, 2);
  EXPECT_EQ(Cut(ours, 2).count, 6u);
  EXPECT_EQ(Cut(ours, 2).elements.size(), 6u);
  EXPECT_EQ(Cut(CommandInfoEntry(*FindOwnCommand("weir"), 7, 2), 2).elements.size(), 7u);
}

// What errors and garbage upstream say is handed on as it is.
TEST(LocalCommandErrorTest, WhatIsNoTableIsHandedOn) {
  const RedisServer redis;
  LocalClient client(redis);
  for (const Args& args : {Args{"COMMAND"}, Args{"COMMAND", "COUNT"}, Args{"COMMAND", "DOCS"},
                           Args{"COMMAND", "INFO", "weir"}, Args{"COMMAND", "DOCS", "weir"},
                           Args{"COMMAND", "LIST"}, Args{"INFO"}}) {
    const std::string bytes = Encode(args);
    RequestParser parser{RequestLimits()};
    ParseState state;
    ParsedRequest request;
    ASSERT_EQ(parser.Parse(&state, bytes, &request), ParseStatus::kRequest);
    LocalContext context;
    context.routing = client.routing.get();
    context.auth = &client.auth;
    context.server = &client.server;
    context.weir_info = [] { return std::string("# Weir"); };
    LocalOutcome outcome =
        RunLocalCommand(context, *client.routing->Resolve(request), request, client.conversation);
    ASSERT_EQ(outcome.kind, LocalOutcome::Kind::kAsk);
    for (const char* reply : {"-LOADING busy\r\n", "+OK\r\n", "_\r\n", "$-1\r\n", "*-1\r\n",
                              ":x\r\n", "-\r\n", "!5\r\nERR x\r\n"}) {
      EXPECT_EQ(outcome.ask.finish(client.conversation, reply), reply) << Printable(bytes);
    }
  }
}

// Random patterns against Redis' own matching of its commands' names.
TEST(GlobTest, MatchesAsRedisDoes) {
  const RedisServer redis;
  RawClient direct(redis.port());
  const std::vector<std::string> names = Names(direct.Command({"COMMAND", "LIST"}));
  ASSERT_GT(names.size(), 200u);
  Random random(Seed());
  const std::vector<std::string> pieces = {
      "*",   "?",   "[", "]", "^",   "-",      "\\", "a",   "E",   "[a-m]", "[^a-m]", "[z-a]",
      "[\\", "\\*", "s", "|", "get", "[A-Ft]", "**", "[^]", "con", "\\S",   "[]",     "e"};
  size_t matched = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string pattern;
    for (uint64_t n = 1 + Below(random, 6); n > 0; --n) {
      pattern += pieces[Below(random, pieces.size())];
    }
    std::set<std::string> ours;
    for (const std::string& name : names) {
      if (MatchesGlob(pattern, name)) ours.insert(name);
    }
    const auto theirs = Names(direct.Command({"COMMAND", "LIST", "FILTERBY", "PATTERN", pattern}));
    ASSERT_EQ(ours, std::set<std::string>(theirs.begin(), theirs.end())) << Printable(pattern);
    matched += ours.size();
  }
  EXPECT_GT(matched, 1000u) << "the patterns say something";
}

TEST(GlobTest, ManyStarsCostLittle) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "*a";
  EXPECT_FALSE(MatchesGlob(pattern + "b", std::string(5000, 'a')));
  EXPECT_TRUE(MatchesGlob(pattern, std::string(5000, 'a')));
  EXPECT_TRUE(MatchesGlob("", ""));
  EXPECT_FALSE(MatchesGlob("", "a"));
  EXPECT_TRUE(MatchesGlob("**", ""));
}

}  // namespace
}  // namespace weir::harness
