// The address map, and addresses in the forms that servers and people write.
#include "routing/address_map.h"

#include <gtest/gtest.h>

#include <string>

namespace weir {
namespace {

TEST(ParseHostPortTest, TakesWhatRedisAndPeopleWrite) {
  const auto parse = [](std::string_view text) { return ParseHostPort(text).value(); };
  EXPECT_EQ(parse("10.0.0.1:6379"), (HostPort{"10.0.0.1", 6379}));
  EXPECT_EQ(parse("redis.example:1"), (HostPort{"redis.example", 1}));
  EXPECT_EQ(parse("[::1]:6379"), (HostPort{"::1", 6379}));
  EXPECT_EQ(parse("::1:6379"), (HostPort{"::1", 6379}));  // as in MOVED
  for (const std::string_view wrong :
       {"", "h", ":1", "h:", "h:0", "h:65536", "h:1x", "[]:1", "h:-1"}) {
    EXPECT_FALSE(ParseHostPort(wrong).ok()) << wrong;
  }
}

TEST(AddressMapTest, MapsAddressesAndWholeHosts) {
  AddressMap map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.Apply({"a", 1}), (HostPort{"a", 1}));
  ASSERT_TRUE(map.Add("10.0.0.1:6379", "proxy.example:7001").ok());
  ASSERT_TRUE(map.Add("10.0.0.1", "127.0.0.1").ok());
  ASSERT_TRUE(map.Add("[fd00::1]:6379", "[::1]:7002").ok());
  ASSERT_TRUE(map.Add("[fd00::2]", "[::1]").ok());
  EXPECT_EQ(map.Apply({"10.0.0.1", 6379}), (HostPort{"proxy.example", 7001}));
  EXPECT_EQ(map.Apply({"10.0.0.1", 6380}), (HostPort{"127.0.0.1", 6380}));
  EXPECT_EQ(map.Apply({"fd00::1", 6379}), (HostPort{"::1", 7002}));
  EXPECT_EQ(map.Apply({"fd00::2", 5}), (HostPort{"::1", 5}));
  EXPECT_EQ(map.Apply({"10.0.0.2", 6379}), (HostPort{"10.0.0.2", 6379}));
}

// a -> b and b -> a exchanges two; nothing goes in circles.
TEST(AddressMapTest, IsAppliedOnce) {
  AddressMap map;
  ASSERT_TRUE(map.Add("a:1", "b:2").ok());
  ASSERT_TRUE(map.Add("b:2", "a:1").ok());
  EXPECT_EQ(map.Apply({"a", 1}), (HostPort{"b", 2}));
}

TEST(AddressMapTest, RefusesWhatItCannotMean) {
  AddressMap map;
  EXPECT_FALSE(map.Add("a:1", "b").ok());
  EXPECT_FALSE(map.Add("a", "b:1").ok());
  EXPECT_FALSE(map.Add("", "b").ok());
  EXPECT_FALSE(map.Add("a", "").ok());
  EXPECT_FALSE(map.Add("a:0", "b:1").ok());
  EXPECT_FALSE(map.Add("::1", "b").ok());  // "::1" ends in what may be a port: brackets are needed
  ASSERT_TRUE(map.Add("a:1", "b:1").ok());
  EXPECT_FALSE(map.Add("a:1", "c:1").ok());
}

}  // namespace
}  // namespace weir
