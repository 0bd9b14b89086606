// Reading a configuration: what it gives, and what is said about one that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "plugins/text.h"
#include "proxy/config_file.h"
#include "proxy/config_table.h"
#include "proxy/config_text.h"
#include "proxy/config_toml.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct PaintSettings {
  int64_t layers = 2;
};
const PaintSettings kPaintDefaults;
constexpr ConfigKey kPaintKeys[] = {
    {"layers", FieldOf<&PaintSettings::layers>(), "How many.", 1, 9},
};
const PluginSchema kPlugins[] = {
    {"paint", "Paints.", true, kPaintKeys, &kPaintDefaults},
    {"idle", "Does nothing.", false, {}, nullptr},
};

constexpr char kHash[] = "#5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

Config Good(std::string_view text) {
  absl::StatusOr<Config> config = ParseConfig(text, "f.toml", kPlugins);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : Config();
}

std::string Bad(std::string_view text) {
  const absl::StatusOr<Config> config = ParseConfig(text, "f.toml", kPlugins);
  EXPECT_FALSE(config.ok()) << text;
  return std::string(Message(config.status()));
}

TEST(Config, IsAllDefaultsWhenEmpty) {
  const Config config = Good("");
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].address, "127.0.0.1:6380");
  ASSERT_NE(config.FindUpstream("default"), nullptr);
  EXPECT_EQ(config.FindUpstream("default")->url, "redis://127.0.0.1:6379");
  EXPECT_EQ(config.FindUpstream("other"), nullptr);
  EXPECT_EQ(config.auth.mode, AuthMode::kNone);
  EXPECT_FALSE(config.admin.off());
  ASSERT_EQ(config.plugins.size(), 2u);
  EXPECT_EQ(config.plugins[0].name, "paint");
  EXPECT_TRUE(config.plugins[0].enabled);
  EXPECT_FALSE(config.plugins[1].enabled);
}

TEST(Config, ReadsEverySection) {
  const Config config = Good(Concat(R"(
workers = 3
[[listener]]
address = "unix:/tmp/a"
unix_mode = "0770"
[[listener]]
address = "[::1]:0"
upstream = "b"
[upstream.default]
url = "redis://u:p@h:1/2"
[upstream.b]
url = "unix:///run/r?db=3"
request_timeout_ms = 0
[auth]
mode = "users"
[[auth.user]]
name = "ann"
passwords = [")",
                                    kHash, R"("]
[commands]
allow = ["DEBUG", "CONFIG|SET", "@all"]
deny = ["keys"]
[limits]
clients_max = 5
[admin]
address = "off"
[log]
level = "error"
format = "json"
target = "/tmp/l"
[plugin.paint]
layers = 4
[plugin.idle]
enabled = true
)"));
  EXPECT_EQ(config.workers, 3);
  ASSERT_EQ(config.listeners.size(), 2u);
  EXPECT_EQ(config.listeners[0].unix_mode, "0770");
  EXPECT_EQ(config.listeners[1].upstream, "b");
  EXPECT_EQ(config.FindUpstream("b")->request_timeout_ms, 0);
  EXPECT_EQ(config.FindUpstream("default")->request_timeout_ms, 5000);
  EXPECT_EQ(config.auth.mode, AuthMode::kUsers);
  ASSERT_EQ(config.auth.users.size(), 1u);
  EXPECT_EQ(config.auth.users[0].passwords[0], kHash);
  EXPECT_EQ(config.commands.allow.size(), 3u);
  EXPECT_EQ(config.limits.clients_max, 5);
  EXPECT_TRUE(config.admin.off());
  EXPECT_EQ(config.log.level, LogLevel::kError);
  EXPECT_EQ(config.log.format, LogFormat::kJson);
  EXPECT_TRUE(config.plugins[1].enabled);
  PaintSettings paint;
  ASSERT_TRUE(ReadPluginKeys(config.plugins[0], kPaintKeys, &paint).ok());
  EXPECT_EQ(paint.layers, 4);
}

TEST(Config, WritesItselfSoThatItReadsBackTheSame) {
  const Config config = Good(R"(
workers = 3
[[listener]]
address = "unix:/tmp/a\"b"
[[listener]]
address = "127.0.0.1:7000"
[upstream.default]
url = "redis://h:1/2"
[upstream.b]
client_name = ""
[[route]]
upstream = "b"
keys = ["a:*", "b"]
[commands]
deny = ["KEYS", "@write"]
[plugin.paint]
layers = 5
)");
  const std::string text = FormatConfig(config);
  EXPECT_EQ(FormatConfig(Good(text)), text);
  EXPECT_THAT(text, HasSubstr("address = \"unix:/tmp/a\\\"b\""));
  EXPECT_THAT(text, HasSubstr("layers = 5"));
}

TEST(Config, NeverWritesSecrets) {
  const std::string text = FormatConfig(
      Good(Concat("[upstream.default]\nurl = \"redis://u:hush@h\"\n[auth]\nmode = \"users\"\n"
                  "[[auth.user]]\npasswords = [\"",
                  kHash, "\"]\n")));
  EXPECT_THAT(text, Not(HasSubstr("hush")));
  EXPECT_THAT(text, Not(HasSubstr(std::string(kHash).substr(1))));
}

TEST(ConfigErrors, NameThePlaceAndTheNearestName) {
  EXPECT_EQ(Bad("[limits]\n  client_max = 1\n"),
            "f.toml:2:3: [limits] has no key 'client_max'; did you mean 'clients_max'?");
  EXPECT_EQ(Bad("\n[limit]\nclients_max = 1\n"),
            "f.toml:2:2: the configuration has no table 'limit'; did you mean 'limits'?");
  EXPECT_EQ(Bad("worker = 1"),
            "f.toml:1:1: the configuration has no key 'worker'; did you mean 'workers'?");
  EXPECT_EQ(Bad("[plugin.paimt]"), "f.toml:1:9: there is no plugin 'paimt'; did you mean 'paint'?");
  EXPECT_EQ(Bad("[upstream.default]\n[upstream.cache]\n[[listener]]\nupstream = \"cahce\"\n"),
            "f.toml:4:12: [[listener]] upstream: there is no [upstream.cahce]; did you mean "
            "'cache'?");
  EXPECT_EQ(Bad("[log]\nlevel = \"warn\""),
            "f.toml:2:9: [log] level: expected one of \"debug\", \"info\", \"warning\", \"error\", "
            "found \"warn\"; did you mean 'warning'?");
}

TEST(ConfigErrors, SayWhatWasExpectedAndFound) {
  EXPECT_EQ(Bad("workers = 2.5"),
            "f.toml:1:11: workers: expected an integer from 0 to 1024, found the float 2.500000");
  EXPECT_EQ(Bad("workers = -1"),
            "f.toml:1:11: workers: expected an integer from 0 to 1024, found -1");
  EXPECT_EQ(Bad("workers = \"4\""),
            "f.toml:1:11: workers: expected an integer from 0 to 1024, found a string");
  EXPECT_EQ(Bad("drain_timeout_ms = 2020-01-01"),
            "f.toml:1:20: drain_timeout_ms: expected an integer from 0 to 3600000, found a date or "
            "time");
  EXPECT_EQ(Bad("limits = 1"),
            "f.toml:1:10: expected the table [limits], found an integer called "
            "limits");
  EXPECT_EQ(Bad("[listener]\naddress = \"127.0.0.1:1\""),
            "f.toml:1:1: expected [[listener]], with two brackets; found a table called listener");
  EXPECT_EQ(Bad("listener = [1]"), "f.toml:1:13: expected a table [[listener]], found an integer");
  EXPECT_EQ(Bad("[upstream]\nurl = \"redis://h\""),
            "f.toml:2:7: expected the table [upstream.url], found a string called url");
}

TEST(ConfigErrors, CoverAddresses) {
  const auto bad = [](std::string_view address) {
    return Bad(Concat("[[listener]]\naddress = \"", address, "\""));
  };
  EXPECT_THAT(bad("localhost:1"), HasSubstr("an address in numbers"));
  EXPECT_THAT(bad("127.0.0.1"), HasSubstr("HOST:PORT"));
  EXPECT_THAT(bad("127.0.0.1:65536"), HasSubstr("a port from 0 to 65535"));
  EXPECT_THAT(bad("127.0.0.1:-1"), HasSubstr("a port from 0 to 65535"));
  EXPECT_THAT(bad("127.0.0.1:1x"), HasSubstr("a port from 0 to 65535"));
  EXPECT_THAT(bad("::1:80"), HasSubstr("brackets around an IPv6 address"));
  EXPECT_THAT(bad("[127.0.0.1]:80"), HasSubstr("an address in numbers"));
  EXPECT_THAT(bad("unix:"), HasSubstr("a path of 1 to 107 bytes"));
  EXPECT_THAT(bad("unix:" + std::string(108, 'a')), HasSubstr("a path of 1 to 107 bytes"));
  EXPECT_THAT(Bad("[admin]\naddress = \"unix:/a\""), HasSubstr("(or write \"off\")"));
  EXPECT_THAT(Bad("[[listener]]\n[[listener]]\n"), HasSubstr("is another listener's already"));
  EXPECT_THAT(Bad("[[listener]]\nunix_mode = \"0700\"\n"),
              HasSubstr("f.toml:2:13: [[listener]] unix_mode: expected only beside"));
  EXPECT_THAT(Bad("[[listener]]\naddress = \"unix:/a\"\nunix_mode = \"0800\"\n"),
              HasSubstr("permissions in octal"));
  EXPECT_EQ(Good("[[listener]]\naddress = \"[::1]:0\"\n[[listener]]\naddress = \"[::1]:0\"\n")
                .listeners.size(),
            2u);
}

TEST(ConfigErrors, SayNotYetToWhatIsToCome) {
  for (const char* scheme : {"rediss", "rediss+cluster", "rediss+sentinel", "rediss+sharded"}) {
    const std::string path = std::string(scheme) == "rediss+cluster" ? "" : "/1";
    const std::string url = Concat(scheme, "://a:hush@h:7000", path);
    const std::string error = Bad(Concat("[upstream.default]\nurl = \"", url, "\""));
    EXPECT_THAT(error, StartsWith("f.toml:2:7: [upstream.default] url: not yet: ")) << url;
    EXPECT_THAT(error, Not(HasSubstr("hush"))) << url;
  }
  EXPECT_EQ(Bad("[upstream.default]\nurl = \"rediss://h\""),
            "f.toml:2:7: [upstream.default] url: not yet: weir cannot speak rediss:// in this "
            "release, which needs TLS: leave the second \"s\" of \"rediss\" away");
}

TEST(ConfigErrors, TakesEveryKindOfUpstream) {
  for (const char* url : {"redis://h", "redis://a,b,c/2", "redis+cluster://a:1,b",
                          "redis+sentinel://a,b/mymaster/3", "redis+sharded://a,b:2/1"}) {
    EXPECT_EQ(Good(Concat("[upstream.default]\nurl = \"", url, "\"")).upstreams[0].url, url);
  }
  EXPECT_THAT(Bad("[upstream.default]\nhash_tag = \"{\""), HasSubstr("two characters"));
}

TEST(ConfigErrors, NeverRepeatSecrets) {
  EXPECT_THAT(Bad("[upstream.default]\nurl = \"http://u:hush@h\""), Not(HasSubstr("hush")));
  EXPECT_THAT(Bad("[upstream.default]\nurl = [\"redis://u:hush@h\"]"), Not(HasSubstr("hush")));
  const std::string error =
      Bad("[auth]\nmode = \"users\"\n[[auth.user]]\npasswords = [\"hush\"]\n");
  EXPECT_THAT(error, Not(HasSubstr("hush")));
  EXPECT_THAT(error, HasSubstr("f.toml:4:14: [[auth.user]] passwords: expected \"#\" and the 64"));
  EXPECT_THAT(error, HasSubstr("printf %s 'PASSWORD' | sha256sum"));
}

TEST(ConfigErrors, CoverWhatOnlyTogetherIsWrong) {
  EXPECT_THAT(Bad("[auth]\nmode = \"users\""), HasSubstr("at least one [[auth.user]]"));
  EXPECT_THAT(Bad(Concat("[[auth.user]]\npasswords = [\"", kHash, "\"]")),
              HasSubstr("[auth] mode: expected \"users\""));
  EXPECT_THAT(Bad("[auth]\nmode = \"users\"\n[[auth.user]]\npasswords = []"),
              HasSubstr("expected at least one for \"default\""));
  EXPECT_THAT(Bad(Concat("[auth]\nmode = \"users\"\n[[auth.user]]\npasswords = [\"", kHash,
                         "\"]\n[[auth.user]]\npasswords = [\"", kHash, "\"]")),
              HasSubstr("there are two called \"default\""));
  EXPECT_THAT(Bad("[upstream.a]\n"), HasSubstr("expected one upstream to be called"));
  EXPECT_THAT(Bad("[upstream.'a b']\n[upstream.default]\n"),
              HasSubstr("an upstream's name of 1 to 64 letters"));
  EXPECT_THAT(Bad("[upstream.default]\nreconnect_min_ms = 10\nreconnect_max_ms = 9"),
              HasSubstr("expected at most reconnect_max_ms, which is 9, found 10"));
  EXPECT_THAT(Bad("[limits]\nrequest_buffer_bytes_max = 4096"),
              HasSubstr("inline_bytes_max: expected at most request_buffer_bytes_max"));
  EXPECT_THAT(Bad("[limits]\nmemory_bytes_max = 16777216"),
              HasSubstr("client_output_buffer_bytes_max: expected at most memory_bytes_max"));
}

TEST(ConfigErrors, CoverPatternsAndPlugins) {
  EXPECT_THAT(Bad("[commands]\nallow = [\"@dangerus\"]"), StartsWith("f.toml:2:10: [commands] "));
  EXPECT_EQ(Bad("[plugin.paint]\nlayers = 10"),
            "f.toml:2:10: [plugin.paint] layers: expected an integer from 1 to 9, found 10");
  EXPECT_EQ(Bad("[plugin.paint]\nenabled = 1"),
            "f.toml:2:11: [plugin.paint] enabled: expected true or false, found 1");
  EXPECT_EQ(Bad("[plugin.paint]\nlayer = 1"),
            "f.toml:2:1: [plugin.paint] has no key 'layer'; did you mean 'layers'?");
}

TEST(ConfigErrors, ComeAllAtOnce) {
  const std::string error = Bad("workers = -1\ndrain = 1\n[limits]\nclients_max = 0\nx = 1\n");
  EXPECT_EQ(Split(error, '\n').size(), 4u) << error;
}

TEST(ConfigErrors, CoverBrokenToml) {
  EXPECT_THAT(Bad("workers = \n"), StartsWith("f.toml:1:"));
  EXPECT_THAT(Bad("workers = 1\nworkers = 2\n"), StartsWith("f.toml:2:"));
  EXPECT_THAT(Bad("[a\n"), HasSubstr("not TOML: "));
  // The parser's own assertions once ended the process here.
  for (const char* text : {"[,", "[=]", "[[,]]", "[.a]", "[]", "[[]]", ".a = 1", "=", "= 1"}) {
    EXPECT_THAT(Bad(text), HasSubstr("not TOML: ")) << text;
  }
  EXPECT_THAT(Bad(std::string("a = \"\0\"", 7)), HasSubstr("not TOML: "));
  EXPECT_THAT(Bad("a = \"\xff\xfe\""), HasSubstr("not TOML: "));
  // Letters beyond ASCII, where the parser once fell off the end of a function.
  for (const char* text :
       {"[[auth\xd2\x93user]]", "\xd2\x93 = 1", "a = 1 \xd2\x93", "a = \xe3\x80\x81"}) {
    EXPECT_THAT(Bad(text), HasSubstr("not TOML: ")) << text;
  }
  EXPECT_EQ(Good("[log]\ntarget = \"\"\"/\\\n \xd2\x93\"\"\" # \xd2\x93").log.target, "/\xd2\x93");
  EXPECT_THAT(Bad("a = " + std::string(10000, '[')), HasSubstr("not TOML: "));
  EXPECT_THAT(Bad("a = " + std::string(5000, '{')), HasSubstr("not TOML: "));
}

TEST(ConfigEnvironment, IsFilledIn) {
  setenv("WEIR_TEST_HOST", "10.0.0.1", 1);
  setenv("WEIR_TEST_EMPTY", "", 1);
  unsetenv("WEIR_TEST_NONE");
  const auto filled = [](std::string_view text) { return FillInEnvironment(text).value(); };
  EXPECT_EQ(filled("redis://${WEIR_TEST_HOST}:1"), "redis://10.0.0.1:1");
  EXPECT_EQ(filled("${WEIR_TEST_HOST}${WEIR_TEST_HOST}"), "10.0.0.110.0.0.1");
  EXPECT_EQ(filled("${WEIR_TEST_NONE:-a:-b}"), "a:-b");
  EXPECT_EQ(filled("${WEIR_TEST_NONE:-}"), "");
  EXPECT_EQ(filled("${WEIR_TEST_EMPTY:-d}"), "d");
  EXPECT_EQ(filled("${WEIR_TEST_EMPTY}"), "");
  EXPECT_EQ(filled("$HOME $ {} $${X} $"), "$HOME $ {} ${X} $");
  EXPECT_EQ(filled("$$${X}"), "$${X}");
  // What comes from the environment is not looked at again.
  setenv("WEIR_TEST_NESTED", "${WEIR_TEST_HOST}", 1);
  EXPECT_EQ(filled("${WEIR_TEST_NESTED}"), "${WEIR_TEST_HOST}");

  const Config config = Good("[upstream.default]\nurl = \"redis://${WEIR_TEST_HOST}\"");
  EXPECT_EQ(config.upstreams[0].url, "redis://10.0.0.1");
}

TEST(ConfigEnvironment, ThatIsMissingIsAnError) {
  unsetenv("WEIR_TEST_NONE");
  EXPECT_EQ(Bad("[log]\ntarget = \"${WEIR_TEST_NONE}\""),
            "f.toml:2:10: the environment variable WEIR_TEST_NONE is not set; set it, or write "
            "${WEIR_TEST_NONE:-DEFAULT}");
  EXPECT_THAT(Bad("[log]\ntarget = \"${\""), HasSubstr("expected } after ${"));
  EXPECT_THAT(Bad("[log]\ntarget = \"${1}\""), HasSubstr("expected ${NAME}"));
  EXPECT_THAT(Bad("[log]\ntarget = \"${A-b}\""), HasSubstr("expected ${NAME}"));
}

class ConfigFile : public testing::Test {
 protected:
  ~ConfigFile() override { unlink(path_.c_str()); }
  void Write(std::string_view text) const { std::ofstream(path_, std::ios::binary) << text; }

  const std::string path_ = testing::TempDir() + "/weir_config_" + std::to_string(getpid());
};

TEST_F(ConfigFile, IsRead) {
  Write("workers = 2");
  EXPECT_EQ(LoadConfig(path_, kPlugins).value().workers, 2);
}

TEST_F(ConfigFile, ThatCannotBeReadSaysWhy) {
  const absl::StatusOr<Config> missing = LoadConfig("/nonexistent/weir.toml", kPlugins);
  EXPECT_EQ(Message(missing.status()),
            "/nonexistent/weir.toml: cannot read the configuration: No such file or directory");
  EXPECT_THAT(std::string(Message(LoadConfig("/tmp", kPlugins).status())),
              HasSubstr("Is a directory"));
}

TEST_F(ConfigFile, OfTenMegabytesOfNoiseIsRefused) {
  std::mt19937 random(1);
  std::string noise(10 << 20, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  Write(noise);
  EXPECT_EQ(Message(LoadConfig(path_, kPlugins).status()),
            Concat(path_,
                   ": expected a configuration of at most 1048576 bytes; is this the right "
                   "file?"));
}

TEST_F(ConfigFile, OfAnyNoiseIsAnErrorAndShort) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  constexpr std::string_view kAlphabet = "[]{}=\"'.,#\\$-_ \n\nlimitsworkersupstream0123456789";
  for (int i = 0; i < 2000; ++i) {
    std::string noise(random() % 4096, '\0');
    for (char& c : noise) c = kAlphabet[random() % kAlphabet.size()];
    const absl::StatusOr<Config> config = ParseConfig(noise, "f", kPlugins);
    EXPECT_LE(Message(config.status()).size(), 8000u);
  }
}

TEST_F(ConfigFile, OfTheFuzzersCorpusGivesAnAnswer) {
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(WEIR_SOURCE_DIR "/tests/fuzz/corpus/config")) {
    const absl::StatusOr<Config> config = LoadConfig(entry.path(), kPlugins);
    EXPECT_TRUE(config.ok() || Message(config.status()).size() < 8000) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 5u);
}

TEST(ConfigTable, IsWellFormed) {
  for (const ConfigSection& section : ConfigSections()) {
    EXPECT_NE(section.defaults, nullptr) << section.path;
    std::vector<std::string_view> names;
    for (const ConfigKey& key : section.keys) {
      SCOPED_TRACE(testing::Message() << section.title << " " << key.name);
      EXPECT_THAT(names, Not(testing::Contains(std::string_view(key.name))));
      names.emplace_back(key.name);
      EXPECT_EQ(std::string_view(key.description).back() == '.' ||
                    std::string_view(key.description).find("sha256sum") != std::string_view::npos,
                true);
      EXPECT_EQ(key.field.type == ConfigType::kChoice, key.choices != nullptr);
      EXPECT_TRUE(key.field.type != ConfigType::kInteger || key.min < key.max);
    }
  }
}

TEST(ConfigTable, AcceptsItsOwnDefaults) {
  // Written out and read back, each default passes its own check.
  const Config config = DefaultConfig(kPlugins);
  EXPECT_EQ(FormatConfig(Good(FormatConfig(config))), FormatConfig(config));
}

TEST(ConfigTable, DescribesEveryKey) {
  const std::string text = DescribeConfig(kPlugins);
  for (const ConfigSection& section : ConfigSections()) {
    EXPECT_THAT(text, HasSubstr(section.title));
    for (const ConfigKey& key : section.keys) {
      EXPECT_THAT(text, HasSubstr(Concat("  ", key.name, " = "))) << section.title;
    }
  }
  EXPECT_THAT(text, HasSubstr("layers = 2"));
  for (const std::string_view line : Split(text, '\n')) EXPECT_LE(line.size(), 100u) << line;
}

TEST(ConfigErrors, RoutesNameWhatThereIs) {
  const Config config = Good(
      "[upstream.default]\n[upstream.b]\n[[route]]\nupstream = \"b\"\nkeys = [\"a*\"]\n"
      "dbs = [\"3\"]\n[[route]]\nlisteners = [\"127.0.0.1:6380\"]\n");
  ASSERT_EQ(config.routes.size(), 2u);
  EXPECT_EQ(config.routes[0].keys, (std::vector<std::string>{"a*"}));
  EXPECT_EQ(config.routes[1].upstream, "default");
  EXPECT_THAT(Bad("[upstream.default]\n[upstream.b]\n[[route]]\nupstream = \"bb\"\n"),
              HasSubstr("[[route]] upstream: there is no [upstream.bb]; did you mean 'b'?"));
  EXPECT_THAT(Bad("[[route]]\nlisteners = [\"127.0.0.1:6381\"]\n"),
              HasSubstr("there is no [[listener]] with address"));
  EXPECT_THAT(Bad("[[route]]\ndbs = [\"x\"]\n"), HasSubstr("the number of a db"));
  EXPECT_THAT(Bad("[[route]]\ncommands = [\"@reed\"]\n"), HasSubstr("a category"));
  std::string many;
  for (int i = 0; i < 65; ++i) many += "[[route]]\n";
  EXPECT_THAT(Bad(many), HasSubstr("expected at most 64 [[route]] tables, found 65"));
}

}  // namespace
}  // namespace weir
