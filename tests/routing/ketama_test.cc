// Ketama: a key is where twemproxy itself (Debian's nutcracker) puts it.
#include "routing/ketama.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/support.h"

namespace weir {
namespace {

// nutcracker in front of redis-servers, and the same in weir's own terms.
class Twemproxy {
 public:
  // `weights`: one server each. `names`: theirs, or none.
  Twemproxy(const std::vector<uint32_t>& weights, bool named, const std::string& hash_tag) {
    std::string yaml = "pool:\n  listen: 127.0.0.1:" + std::to_string(listen_.port()) +
                       "\n  hash: fnv1a_64\n  distribution: ketama\n  redis: true\n  servers:\n";
    std::vector<Ketama::Server> members;
    for (size_t i = 0; i < weights.size(); ++i) {
      servers_.push_back(std::make_unique<harness::RedisServer>());
      const std::string name = named ? "server" + std::to_string(i) : "";
      yaml += "   - " + servers_.back()->address() + ":" + std::to_string(weights[i]) +
              (named ? " " + name : "") + "\n";
      members.push_back(
          {named ? name : KetamaName("127.0.0.1", servers_.back()->port()), weights[i]});
    }
    if (!hash_tag.empty())
      yaml.insert(yaml.find("  servers:"), "  hash_tag: \"" + hash_tag + "\"\n");
    ketama_ = std::make_unique<Ketama>(members, hash_tag);
    process_ = std::make_unique<harness::Process>(
        std::vector<std::string>{"/usr/sbin/nutcracker", "-c", dir_.Write("nutcracker.yml", yaml),
                                 "-s", std::to_string(stats_.port()), "-a", "127.0.0.1"},
        dir_.path() + "/log");
    EXPECT_TRUE(harness::Eventually([&] { return bool{harness::ConnectTo(listen_.port())}; }))
        << process_->output();
  }

  // Writes the keys through nutcracker and looks where they are.
  void ExpectSamePlaces(const std::vector<std::string>& keys) {
    harness::RawClient proxy(listen_.port());
    for (const std::string& key : keys) EXPECT_EQ(proxy.Command({"SET", key, "v"}), "+OK\r\n");
    std::map<std::string, size_t> found;
    for (size_t i = 0; i < servers_.size(); ++i) {
      harness::RawClient direct(servers_[i]->port());
      for (const auto& key : harness::ParseReply(direct.Command({"KEYS", "*"})).elements) {
        found[key.text] = i;
      }
    }
    size_t wrong = 0;
    for (const std::string& key : keys) {
      ASSERT_TRUE(found.contains(key)) << key;
      if (ketama_->ServerOf(key) != found[key]) ++wrong;
    }
    EXPECT_EQ(wrong, 0U) << "of " << keys.size();
  }

 private:
  harness::TempDir dir_;
  harness::PortReservation listen_;
  harness::PortReservation stats_;
  std::vector<std::unique_ptr<harness::RedisServer>> servers_;
  std::unique_ptr<Ketama> ketama_;
  std::unique_ptr<harness::Process> process_;
};

std::vector<std::string> RandomKeys(const std::string& form) {
  harness::Random random(harness::Seed());
  std::vector<std::string> keys;
  for (int i = 0; i < 500; ++i) {
    std::string key = form;
    for (char& c : key) {
      if (c == '?') c = static_cast<char>(33 + harness::Below(random, 90));
      if (c == '#') c = static_cast<char>(128 + harness::Below(random, 128));
    }
    keys.push_back(key + std::to_string(i));
  }
  return keys;
}

TEST(KetamaTest, AgreesWithTwemproxy) {
  Twemproxy(std::vector<uint32_t>(5, 1), false, "").ExpectSamePlaces(RandomKeys("???"));
}

TEST(KetamaTest, AgreesWithTwemproxyOnWeightsAndNames) {
  Twemproxy({1, 2, 7}, true, "").ExpectSamePlaces(RandomKeys("key:??"));
}

// Bytes above 127 are where its arithmetic is peculiar.
TEST(KetamaTest, AgreesWithTwemproxyOnHashTagsAndBytes) {
  std::vector<std::string> keys = RandomKeys("a{##}?");
  for (const std::string key : {"{}x", "{x", "}x{", "{{x}}", "x{y}{z}"}) keys.push_back(key);
  Twemproxy({1, 1, 1}, true, "{}").ExpectSamePlaces(keys);
}

TEST(KetamaTest, ASingleServerHasAll) {
  const Ketama ketama({{{"only"}}}, "");
  EXPECT_EQ(ketama.ServerOf("x"), 0);
  EXPECT_EQ(ketama.ServerOf(""), 0);
}

TEST(KetamaTest, MemcachedsPortIsNotPartOfTheName) {
  EXPECT_EQ(KetamaName("h", 11211), "h");
  EXPECT_EQ(KetamaName("h", 6379), "h:6379");
}

}  // namespace
}  // namespace weir
