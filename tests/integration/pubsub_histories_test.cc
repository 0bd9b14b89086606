// Random histories of several clients that subscribe, publish and change their protocol, the same
// against Redis and through weir: each client hears the same bytes. WEIR_TEST_SEED replays a run,
// WEIR_TEST_COMMANDS makes it longer.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

using Args = std::vector<std::string>;

size_t Commands() {
  const char* given = getenv("WEIR_TEST_COMMANDS");
  return given != nullptr ? strtoull(given, nullptr, 10) : 3000;
}

class Histories : public BesideRedis {
 protected:
  std::string Name() { return std::string(1, static_cast<char>('a' + Below(random_, 4))); }
  std::string Pattern() {
    constexpr const char* kPatterns[] = {"*", "[ab]", "?", "a*", "c"};
    return kPatterns[Below(random_, std::size(kPatterns))];
  }

  Args Next() {
    const auto several = [&](const std::string& word, bool patterns, size_t min) {
      Args args = {word};
      for (size_t n = min + Below(random_, 3); n > 0; --n) {
        args.push_back(patterns ? Pattern() : Name());
      }
      return args;
    };
    switch (Below(random_, 24)) {
      case 0:
      case 1:
        return several("SUBSCRIBE", false, 1);
      case 2:
        return several("UNSUBSCRIBE", false, 0);
      case 3:
        return several("PSUBSCRIBE", true, 1);
      case 4:
        return several("PUNSUBSCRIBE", true, 0);
      case 5:
        return several("SSUBSCRIBE", false, 1);
      case 6:
        return several("SUNSUBSCRIBE", false, 0);
      case 7:
        return {"SPUBLISH", Name(), std::to_string(++serial_)};
      case 8:
        return {"PUBSUB", "NUMSUB", "a", Name(), "d"};
      case 9:
        return {"PUBSUB", "SHARDNUMSUB", Name(), "b"};
      case 10:
        return {"PUBSUB", "NUMPAT"};
      case 11:
        return {"PUBSUB", Below(random_, 2) == 0 ? "CHANNELS" : "SHARDCHANNELS"};
      case 12:
        return {"PING", std::to_string(++serial_)};
      case 13:
        return {"SET", "k", std::to_string(++serial_)};
      case 14:
        return {"GET", "k"};
      case 15:
        return Below(random_, 4) == 0 ? Args{"RESET"} : Args{"PING"};
      case 16:
        return {"HELLO", "3"};
      case 17:
        return Below(random_, 3) == 0 ? Args{"HELLO", "2"} : Args{"GET", "k", "x"};
      default:
        return {"PUBLISH", Name(),
                std::string(Below(random_, 9) == 0 ? 40000 : 1, 'm') + std::to_string(++serial_)};
    }
  }

  // What Redis itself leaves to chance is put in order: the names of a hash table, and which of
  // several patterns that match comes first. Client numbers differ.
  static std::vector<std::string> Comparable(std::vector<std::string> frames) {
    std::vector<std::string> counts;
    const auto by_chance = [](const std::string& frame) {
      return frame.find("\r\npmessage\r\n") < 10 || frame.find("unsubscribe\r\n") < 14;
    };
    for (std::string& frame : frames) {
      if (const size_t id = frame.find("$2\r\nid\r\n:"); id != frame.npos) {
        frame = frame.substr(0, id);
      } else if (frame.find("unsubscribe\r\n") < 14) {
        const size_t count = frame.rfind(':');
        counts.push_back(frame.substr(count));
        frame = frame.substr(0, count);
      } else if (frame.starts_with("*")) {
        const Reply reply = ParseReply(frame);
        const bool names = !reply.elements.empty() &&
                           std::all_of(reply.elements.begin(), reply.elements.end(),
                                       [](const Reply& r) { return r.text.size() == 1; });
        if (names) {
          std::string sorted;
          for (const Reply& r : reply.elements) sorted += r.text;
          std::sort(sorted.begin(), sorted.end());
          frame = sorted;
        }
      }
    }
    for (auto begin = frames.begin(); begin != frames.end();) {
      if (!by_chance(*begin)) {
        ++begin;
        continue;
      }
      const auto end = std::find_if_not(begin, frames.end(), by_chance);
      std::sort(begin, end);
      begin = end;
    }
    frames.insert(frames.end(), counts.begin(), counts.end());
    return frames;
  }

  // All that the client has heard up to now; only of Redis, which has said it all by then.
  std::vector<std::string> HearAll(RawClient* direct) {
    const std::string mark = "mark " + std::to_string(++serial_);
    direct->Send(Encode({"PING", mark}));
    std::vector<std::string> frames;
    for (;;) {
      frames.push_back(direct->ReadFrame());
      const std::string& last = frames.back();
      if (last == Bulk(mark) || last == "*2\r\n" + Bulk("pong") + Bulk(mark)) break;
      if (last.find(kTimedOut) != last.npos || last.find(kClosed) != last.npos) break;
    }
    frames.pop_back();
    return frames;
  }

  static std::string Shown(const std::vector<std::string>& frames) {
    std::string text;
    for (const std::string& frame : frames) text += "\n    " + Printable(frame, 200);
    return text;
  }

  uint64_t seed_ = Seed();
  Random random_{seed_};
  uint64_t serial_ = 0;
};

TEST_F(Histories, OfSeveralClients) {
  constexpr size_t kClients = 5;
  std::vector<std::unique_ptr<RawClient>> direct, through;
  for (size_t i = 0; i < kClients; ++i) {
    direct.push_back(std::make_unique<RawClient>(direct_.port()));
    through.push_back(std::make_unique<RawClient>(weir_.port()));
  }
  for (size_t done = 0; done < Commands(); ++done) {
    const size_t who = Below(random_, kClients);
    const Args args = Next();
    direct[who]->Send(Encode(args));
    through[who]->Send(Encode(args));
    // First whoever spoke: then Redis has told the others, too.
    for (size_t i = 0; i < kClients; ++i) {
      const size_t client = (who + i) % kClients;
      const std::vector<std::string> expected = HearAll(direct[client].get());
      const std::vector<std::string> heard = through[client]->ReadFrames(expected.size());
      if (Comparable(heard) == Comparable(expected)) continue;
      ADD_FAILURE() << "command " << done << " of client " << who << ": " << Printable(Encode(args))
                    << "\nclient " << client << " heard directly" << Shown(expected)
                    << "\nand through weir" << Shown(heard);
      return;
    }
  }
  for (auto& client : through) EXPECT_EQ(client->ReadAvailable(20), "") << "told twice";
}

// One client's pipelines, in pieces of any size: also the order among its own replies and messages.
TEST_F(Histories, OfOneClientsPipelines) {
  RawClient direct(direct_.port());
  RawClient through(weir_.port());
  for (size_t done = 0; done < Commands();) {
    std::string bytes;
    std::string shown;
    for (size_t n = 1 + Below(random_, 40); n > 0; --n, ++done) {
      const Args args = Next();
      bytes += Encode(args);
      for (const std::string& arg : args) shown += Printable(arg, 20) + " ";
      shown += "; ";
    }
    direct.Send(bytes);
    for (size_t sent = 0; sent < bytes.size();) {
      const size_t n = std::min<size_t>(bytes.size() - sent, 1 + Below(random_, 2000));
      through.Send(bytes.substr(sent, n));
      sent += n;
    }
    const std::vector<std::string> expected = HearAll(&direct);
    const std::vector<std::string> heard = through.ReadFrames(expected.size());
    if (Comparable(heard) == Comparable(expected)) continue;
    ADD_FAILURE() << shown << "\nheard directly" << Shown(expected) << "\nand through weir"
                  << Shown(heard);
    return;
  }
}

}  // namespace
}  // namespace weir::harness
