// What a request and a reply cost weir before anything is decided: parsing, scanning, writing.
//
// Each benchmark walks a buffer of pipelined frames and reports the time of one frame. The answers
// are checked, so that nothing is measured that does not work.

#include <benchmark/benchmark.h>
#include <hiredis/hiredis.h>

#include <string>
#include <string_view>

#include "resp/frame_scanner.h"
#include "resp/reply_tree.h"
#include "resp/reply_writer.h"
#include "resp/request_parser.h"

namespace weir {
namespace {

constexpr size_t kPipeline = 64;
char no_object = 0;  // what a reply is to a reader that builds none

std::string Repeated(std::string_view one) {
  std::string all;
  for (size_t i = 0; i < kPipeline; ++i) all += one;
  return all;
}

std::string Request(std::initializer_list<std::string_view> args) {
  std::string out;
  AppendRequest(&out, args);
  return out;
}

std::string Bulk(size_t bytes) {
  std::string out;
  ReplyWriter(&out, 2).Bulk(std::string(bytes, 'v'));
  return out;
}

const std::string& SetRequest() {
  static const std::string request = Request({"SET", "key:000000001234", std::string(64, 'v')});
  return request;
}

void FinishPerFrame(benchmark::State& state, size_t frames = kPipeline) {
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * frames));
  state.counters["per_frame"] =
      benchmark::Counter(static_cast<double>(state.iterations() * frames),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void ParseAll(benchmark::State& state, const std::string& pipeline, size_t requests) {
  RequestParser parser({});
  ParseState parse_state;
  for ([[maybe_unused]] auto _ : state) {
    std::string_view rest = pipeline;
    ParsedRequest parsed;
    while (parser.Parse(&parse_state, rest, &parsed) == ParseStatus::kRequest) {
      benchmark::DoNotOptimize(parsed.args[0]);
      rest.remove_prefix(parsed.consumed);
    }
    if (!rest.empty()) return state.SkipWithError("the pipeline was not parsed to its end");
  }
  FinishPerFrame(state, requests);
}

void ParsePipeline(benchmark::State& state, const std::string& request) {
  ParseAll(state, Repeated(request), kPipeline);
}

void BM_ParseSet64(benchmark::State& state) { ParsePipeline(state, SetRequest()); }
BENCHMARK(BM_ParseSet64);

void BM_ParseGet(benchmark::State& state) {
  ParsePipeline(state, Request({"GET", "key:000000001234"}));
}
BENCHMARK(BM_ParseGet);

// A pipeline of like requests, taken at once.
void BM_ParseAlikeSet64(benchmark::State& state) {
  const std::string pipeline = Repeated(SetRequest());
  const RequestParser parser({});
  for ([[maybe_unused]] auto _ : state) {
    uint32_t count = 0;
    benchmark::DoNotOptimize(
        parser.ParseAlike(pipeline, "*3\r\n$3\r\nSET\r\n", 2, UINT32_MAX, &count));
    if (count != kPipeline) return state.SkipWithError("the pipeline was not parsed to its end");
  }
  FinishPerFrame(state);
}
BENCHMARK(BM_ParseAlikeSet64);

void BM_ParsePing(benchmark::State& state) { ParsePipeline(state, Request({"PING"})); }
BENCHMARK(BM_ParsePing);

void BM_ParseMset20(benchmark::State& state) {
  std::string request;
  AppendRequestHeader(&request, 21);
  AppendRequestArg(&request, "MSET");
  for (int i = 0; i < 20; ++i) AppendRequestArg(&request, "key:000000001234");
  ParsePipeline(state, request);
}
BENCHMARK(BM_ParseMset20);

void BM_ParseInlineGet(benchmark::State& state) {
  ParsePipeline(state, "GET key:000000001234\r\n");
}
BENCHMARK(BM_ParseInlineGet);

// Lengths that differ from one request to the next, so that no branch is foreseen for free.
void BM_ParseSetMixedLengths(benchmark::State& state) {
  std::string pipeline;
  uint32_t random = 12345;
  for (size_t i = 0; i < 64 * kPipeline; ++i) {
    random = random * 1664525 + 1013904223;
    const std::string key((random >> 8) % 30 + 1, 'k');
    AppendRequest(&pipeline, {"SET", key, std::string((random >> 16) % 300, 'v')});
  }
  ParseAll(state, pipeline, 64 * kPipeline);
}
BENCHMARK(BM_ParseSetMixedLengths);

void ScanPipeline(benchmark::State& state, const std::string& reply, int protocol_version = 2) {
  const std::string pipeline = Repeated(reply);
  for ([[maybe_unused]] auto _ : state) {
    std::string_view data = pipeline;
    benchmark::DoNotOptimize(data);
    const FrameRun run = ScanRun(data, kPipeline, protocol_version);
    if (run.frames != kPipeline) return state.SkipWithError("not all frames were found");
  }
  FinishPerFrame(state);
}

void BM_ScanBulk64(benchmark::State& state) { ScanPipeline(state, Bulk(64)); }
BENCHMARK(BM_ScanBulk64);

void BM_ScanBulk16k(benchmark::State& state) { ScanPipeline(state, Bulk(16384)); }
BENCHMARK(BM_ScanBulk16k);

void BM_ScanOk(benchmark::State& state) { ScanPipeline(state, "+OK\r\n"); }
BENCHMARK(BM_ScanOk);

void BM_ScanInteger(benchmark::State& state) { ScanPipeline(state, ":12345\r\n"); }
BENCHMARK(BM_ScanInteger);

void BM_ScanNull(benchmark::State& state) { ScanPipeline(state, "$-1\r\n"); }
BENCHMARK(BM_ScanNull);

void BM_ScanArray20(benchmark::State& state) {
  std::string reply = "*20\r\n";
  for (int i = 0; i < 20; ++i) reply += Bulk(16);
  ScanPipeline(state, reply);
}
BENCHMARK(BM_ScanArray20);

// The same reply to the scanner that takes pieces: what a reply costs that was cut by a read.
void BM_ScanBulk64InPieces(benchmark::State& state) {
  const std::string pipeline = Repeated(Bulk(64));
  FrameScanner scanner(2);
  for ([[maybe_unused]] auto _ : state) {
    std::string_view rest = pipeline;
    benchmark::DoNotOptimize(rest);
    while (!rest.empty()) rest.remove_prefix(scanner.Scan(rest).consumed);
  }
  FinishPerFrame(state);
}
BENCHMARK(BM_ScanBulk64InPieces);

// For comparison: hiredis' reader, without objects.
void BM_HiredisBulk64(benchmark::State& state) {
  const std::string pipeline = Repeated(Bulk(64));
  redisReplyObjectFunctions nothing = {
      [](const redisReadTask*, char*, size_t) -> void* { return &no_object; },
      [](const redisReadTask*, int) -> void* { return &no_object; },
      [](const redisReadTask*, long long) -> void* { return &no_object; },
      [](const redisReadTask*) -> void* { return &no_object; },
      [](void*) {},
  };
  redisReader* const reader = redisReaderCreateWithFunctions(&nothing);
  for ([[maybe_unused]] auto _ : state) {
    redisReaderFeed(reader, pipeline.data(), pipeline.size());
    for (size_t i = 0; i < kPipeline; ++i) {
      void* reply = nullptr;
      redisReaderGetReply(reader, &reply);
      if (reply == nullptr) return state.SkipWithError("hiredis found no reply");
    }
  }
  redisReaderFree(reader);
  FinishPerFrame(state);
}
BENCHMARK(BM_HiredisBulk64);

void BM_TreeOfArray20(benchmark::State& state) {
  std::string reply = "*20\r\n";
  for (int i = 0; i < 20; ++i) reply += Bulk(16);
  for ([[maybe_unused]] auto _ : state) {
    const absl::StatusOr<Reply> tree = ParseReply(reply);
    if (!tree.ok()) return state.SkipWithError("no tree");
  }
}
BENCHMARK(BM_TreeOfArray20);

void BM_WriteBulk64(benchmark::State& state) {
  const std::string value(64, 'v');
  std::string out;
  for ([[maybe_unused]] auto _ : state) {
    out.clear();
    for (size_t i = 0; i < kPipeline; ++i) ReplyWriter(&out, 2).Bulk(value);
    benchmark::DoNotOptimize(out.data());
  }
  FinishPerFrame(state);
}
BENCHMARK(BM_WriteBulk64);

void BM_WriteError(benchmark::State& state) {
  std::string out;
  for ([[maybe_unused]] auto _ : state) {
    out.clear();
    for (size_t i = 0; i < kPipeline; ++i) ReplyWriter(&out, 2).Error("syntax error");
    benchmark::DoNotOptimize(out.data());
  }
  FinishPerFrame(state);
}
BENCHMARK(BM_WriteError);

}  // namespace
}  // namespace weir
