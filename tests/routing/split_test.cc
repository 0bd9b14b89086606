// Splits: parts by slot, bundled by node, nothing lost and nothing in another order.
#include "routing/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "resp/reply_writer.h"
#include "resp/request_parser.h"
#include "routing/command_table.h"
#include "routing/slot.h"
#include "tests/support/seed.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using Args = std::vector<std::string_view>;

// Slot s is served by node s % 3, except slot 0 of "nowhere".
std::shared_ptr<const Topology> ThreeNodes() {
  std::vector<NodeIndex> slots(kSlotCount);
  for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<NodeIndex>(i % 3);
  slots[KeySlot("nowhere")] = kNoNode;
  return Topology::Cluster({{.id = "x"}, {.id = "y"}, {.id = "z"}}, slots, 1);
}

std::string Wire(const Args& args, const KeySplit& split, const SplitPart& part) {
  std::string whole;
  AppendRequest(&whole, args);
  RequestParser parser({});
  ParseState state;
  ParsedRequest request;
  EXPECT_EQ(parser.Parse(&state, whole, &request), ParseStatus::kRequest);
  const size_t bytes_max = PartBytesMax(request, split, part);
  std::string wire(bytes_max, '\0');
  wire.resize(static_cast<size_t>(WritePart(wire.data(), request, split, part) - wire.data()));
  EXPECT_LE(wire.size(), bytes_max);
  return wire;
}

class SplitTest : public ::testing::Test {
 protected:
  KeySplit Make(const Args& args) {
    return MakeSplit(*CommandTable::BuiltIn()->Find(args[0]), *topology_, ArgList(args));
  }
  std::shared_ptr<const Topology> topology_ = ThreeNodes();
};

TEST_F(SplitTest, APartForEachSlotInOrder) {
  // foo and {foo}x share a slot.
  const Args args = {"MGET", "foo", "bar", "{foo}x", "{bar}y", "foo"};
  const KeySplit split = Make(args);
  ASSERT_EQ(split.parts.size(), 2U);
  EXPECT_EQ(split.parts[0].slot, KeySlot("foo"));
  EXPECT_EQ(split.parts[1].slot, KeySlot("bar"));
  EXPECT_THAT(split.units_of(split.parts[0]), ElementsAre(0, 2, 4));
  EXPECT_THAT(split.units_of(split.parts[1]), ElementsAre(1, 3));
  EXPECT_EQ(Wire(args, split, split.parts[0]),
            "*4\r\n$4\r\nMGET\r\n$3\r\nfoo\r\n$6\r\n{foo}x\r\n$3\r\nfoo\r\n");
}

TEST_F(SplitTest, ValuesGoWithTheirKeys) {
  const Args args = {"mset", "foo", "1", "bar", "2", "foo", "3"};
  const KeySplit split = Make(args);
  ASSERT_EQ(split.parts.size(), 2U);
  EXPECT_EQ(Wire(args, split, split.parts[0]),
            "*5\r\n$4\r\nmset\r\n$3\r\nfoo\r\n$1\r\n1\r\n$3\r\nfoo\r\n$1\r\n3\r\n");
  EXPECT_EQ(Wire(args, split, split.parts[1]), "*3\r\n$4\r\nmset\r\n$3\r\nbar\r\n$1\r\n2\r\n");
}

TEST_F(SplitTest, ASlotThatNobodyServesIsAPartToo) {
  const KeySplit split = Make({"DEL", "foo", "nowhere"});
  ASSERT_EQ(split.parts.size(), 2U);
  EXPECT_EQ(split.parts[1].node, kNoNode);
}

TEST_F(SplitTest, RandomOnesAreWhole) {
  harness::Random random(harness::Seed());
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> keys;
    const size_t count = 2 + harness::Below(random, 40);
    for (size_t i = 0; i < count; ++i) {
      keys.push_back("k" + std::to_string(harness::Below(random, 30)));
    }
    Args args = {"TOUCH"};
    args.insert(args.end(), keys.begin(), keys.end());
    const KeySplit split = Make(args);
    std::vector<uint32_t> all(split.units);
    std::sort(all.begin(), all.end());
    std::vector<uint32_t> expected(count);
    std::iota(expected.begin(), expected.end(), 0U);
    ASSERT_EQ(all, expected);
    std::set<uint16_t> slots;
    std::vector<NodeIndex> nodes;
    uint32_t next = 0;
    for (const SplitPart& part : split.parts) {
      ASSERT_EQ(part.first_unit, next);
      next += part.unit_count;
      ASSERT_TRUE(slots.insert(part.slot).second);
      ASSERT_EQ(part.node, topology_->PrimaryOf(part.slot));
      if (nodes.empty() || nodes.back() != part.node) nodes.push_back(part.node);
      const auto units = split.units_of(part);
      ASSERT_TRUE(std::is_sorted(units.begin(), units.end()));
      Args sent = {"TOUCH"};
      for (const uint32_t unit : units) {
        ASSERT_EQ(KeySlot(keys[unit]), part.slot);
        sent.push_back(keys[unit]);
      }
      std::string wire;
      AppendRequest(&wire, sent);
      ASSERT_EQ(Wire(args, split, part), wire);
    }
    ASSERT_EQ(std::set<NodeIndex>(nodes.begin(), nodes.end()).size(), nodes.size())
        << "parts of a node stand together";
  }
}

}  // namespace
}  // namespace weir
