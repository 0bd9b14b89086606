// A table of configuration keys: what it accepts, what it says, and what it stores.
#include "plugins/config_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/text.h"

namespace weir {
namespace {

enum class Colour : uint8_t { kRed, kGreen };

struct Settings {
  bool on = true;
  int64_t size = 7;
  std::string name = "x";
  std::vector<std::string> list = {"a", "b"};
  Colour colour = Colour::kGreen;
};

absl::Status CheckShort(const std::string& value) {
  return value.size() < 4 ? absl::OkStatus() : InvalidArgument("expected something short");
}

constexpr ConfigKey kKeys[] = {
    {"on", FieldOf<&Settings::on>(), "On."},
    {"size", FieldOf<&Settings::size>(), "Size.", 1, 100},
    {"name", FieldOf<&Settings::name>(), "Name.", 0, 0, nullptr, CheckShort},
    {"list", FieldOf<&Settings::list>(), "List.", 0, 0, nullptr, CheckShort},
    {"colour", FieldOf<&Settings::colour>(), "Colour.", 0, 0, "red|green"},
    {"rules", {}, "Read by its owner."},
};

ConfigNode Node(ConfigNodeType type) {
  ConfigNode node;
  node.type = type;
  node.position = {3, 9};
  return node;
}

ConfigNode Bool(bool value) {
  ConfigNode node = Node(ConfigNodeType::kBool);
  node.boolean = value;
  return node;
}

ConfigNode Integer(int64_t value) {
  ConfigNode node = Node(ConfigNodeType::kInteger);
  node.integer = value;
  return node;
}

ConfigNode String(std::string value) {
  ConfigNode node = Node(ConfigNodeType::kString);
  node.string = std::move(value);
  return node;
}

ConfigNode Array(std::vector<ConfigNode> elements) {
  ConfigNode node = Node(ConfigNodeType::kArray);
  node.elements = std::move(elements);
  return node;
}

PluginConfig Plugin(std::vector<ConfigMember> members) {
  PluginConfig config;
  config.name = "paint";
  config.filename = "f.toml";
  config.table.members = std::move(members);
  return config;
}

std::string ErrorOf(std::string name, ConfigNode value) {
  Settings settings;
  return std::string(Message(
      ReadPluginKeys(Plugin({{std::move(name), {3, 1}, std::move(value)}}), kKeys, &settings)));
}

TEST(ConfigKey, StoresEveryType) {
  Settings settings;
  const PluginConfig config = Plugin({{"on", {}, Bool(false)},
                                      {"size", {}, Integer(100)},
                                      {"name", {}, String("abc")},
                                      {"list", {}, Array({String("c")})},
                                      {"colour", {}, String("red")},
                                      {"rules", {}, Integer(1)}});
  ASSERT_TRUE(ReadPluginKeys(config, kKeys, &settings).ok());
  EXPECT_FALSE(settings.on);
  EXPECT_EQ(settings.size, 100);
  EXPECT_EQ(settings.name, "abc");
  EXPECT_THAT(settings.list, testing::ElementsAre("c"));
  EXPECT_EQ(settings.colour, Colour::kRed);
}

TEST(ConfigKey, LeavesWhatIsNotMentioned) {
  Settings settings;
  ASSERT_TRUE(ReadPluginKeys(Plugin({}), kKeys, &settings).ok());
  EXPECT_TRUE(settings.on);
  EXPECT_EQ(settings.size, 7);
  EXPECT_EQ(settings.colour, Colour::kGreen);
}

TEST(ConfigKey, SaysWhatWasExpectedAndFound) {
  EXPECT_EQ(ErrorOf("on", Integer(1)),
            "f.toml:3:9: [plugin.paint] on: expected true or false, found 1");
  EXPECT_EQ(ErrorOf("size", Integer(101)),
            "f.toml:3:9: [plugin.paint] size: expected an integer from 1 to 100, found 101");
  EXPECT_EQ(ErrorOf("size", String("secret")),
            "f.toml:3:9: [plugin.paint] size: expected an integer from 1 to 100, found a string");
  EXPECT_EQ(ErrorOf("name", Bool(true)),
            "f.toml:3:9: [plugin.paint] name: expected a string, found true");
  EXPECT_EQ(ErrorOf("name", String("secret")),
            "f.toml:3:9: [plugin.paint] name: expected something short");
  EXPECT_EQ(ErrorOf("list", String("a")),
            "f.toml:3:9: [plugin.paint] list: expected an array of strings, found a string");
  EXPECT_EQ(ErrorOf("list", Array({String("a"), Integer(2)})),
            "f.toml:3:9: [plugin.paint] list: expected an array of strings, found 2");
  EXPECT_EQ(
      ErrorOf("colour", String("gren")),
      "f.toml:3:9: [plugin.paint] colour: expected one of \"red\", \"green\", found \"gren\"; "
      "did you mean 'green'?");
  EXPECT_EQ(ErrorOf("sice", Integer(1)),
            "f.toml:3:1: [plugin.paint] has no key 'sice'; did you mean 'size'?");
}

TEST(ConfigKey, NamesTenErrorsAndCountsTheRest) {
  std::vector<ConfigMember> members;
  for (int i = 0; i < 25; ++i) {
    members.push_back({Concat("unknown", i), {static_cast<uint32_t>(i + 1), 1}, Integer(1)});
  }
  Settings settings;
  const absl::Status status = ReadPluginKeys(Plugin(members), kKeys, &settings);
  const std::string text(Message(status));
  EXPECT_THAT(text, testing::HasSubstr("f.toml:10:1: "));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("f.toml:11:1: ")));
  EXPECT_THAT(text, testing::EndsWith("f.toml: and 15 more errors"));
}

TEST(ConfigKey, FormatsFieldsAsToml) {
  Settings settings;
  settings.name = "a\"\\\n";
  EXPECT_EQ(FormatField(kKeys[0], &settings), "true");
  EXPECT_EQ(FormatField(kKeys[1], &settings), "7");
  EXPECT_EQ(FormatField(kKeys[2], &settings), R"("a\"\\\u000A")");
  EXPECT_EQ(FormatField(kKeys[3], &settings), R"(["a", "b"])");
  EXPECT_EQ(FormatField(kKeys[4], &settings), "\"green\"");
  EXPECT_EQ(FormatField(kKeys[5], &settings), "");
}

TEST(QuoteToml, EscapesWhatAFileWouldFillIn) {
  EXPECT_EQ(QuoteToml("a${B}$c$${"), R"("a$${B}$c$$${")");
}

TEST(Printable, EscapesAndCuts) {
  EXPECT_EQ(Printable("a\n\x1b[31m"), "a\\x0a\\x1b[31m");
  EXPECT_EQ(Printable(std::string(1000, 'x')), std::string(80, 'x') + "...");
}

}  // namespace
}  // namespace weir
