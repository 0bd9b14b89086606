#include "plugins/limit_commands.h"

#include <algorithm>

#include "plugins/text.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"
#include "routing/command_table.h"

namespace weir {
namespace {

constexpr std::string_view kLimitName = "weir.limit";
constexpr std::string_view kThrottleName = "cl.throttle";
constexpr std::string_view kLimitUsage =
    "expected WEIR.LIMIT key POINTS n PERIOD ms [ALGO a] [COST c] [PEEK], or WEIR.LIMIT RESET key";
constexpr std::string_view kThrottleUsage =
    "expected CL.THROTTLE key max_burst count period [quantity]";
constexpr char kCommandReply[] =
#include "routing/command_data/rate_limit.inc"
    ;
constexpr int64_t kLogPointsMax = 10000;
constexpr size_t kNameBytesMax = 256;  // a longer key's counter is named by its hash

// The kinds of counters that a key may have. Those of a bucket decide alike, but under two names.
constexpr LimitAlgorithm kInRedis[] = {LimitAlgorithm::kGcra, LimitAlgorithm::kTokenBucket,
                                       LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow,
                                       LimitAlgorithm::kSlidingLog};

std::string CounterOf(std::string_view key, LimitAlgorithm algorithm) {
  const std::string name =
      key.size() <= kNameBytesMax ? Concat("key:", key) : Concat("hashed_key:", HashedName(key));
  return LimitKey(key, name, algorithm);
}

std::nullopt_t Refuse(std::string* error, std::string_view text) {
  error->clear();
  ReplyWriter(error, 2).Error(Concat("-ERR weir: ", text));
  return std::nullopt;
}

bool ParseAlgorithm(std::string_view name, LimitAlgorithm* algorithm) {
  for (const LimitAlgorithm known : kInRedis) {
    if (!EqualsIgnoreCase(name, LimitAlgorithmName(known))) continue;
    *algorithm = known;
    return true;
  }
  return false;
}

// The options behind the key: their values, which are to be numbers of at least `min`.
struct Numbers {
  int64_t points = 0;
  int64_t period = 0;
  int64_t cost = 1;
};

bool ReadOptions(const ArgList& args, Numbers* numbers, LimitAlgorithm* algorithm, bool* peek) {
  for (uint32_t i = 2; i < args.size(); ++i) {
    const std::string_view option = args[i];
    if (EqualsIgnoreCase(option, "peek")) {
      *peek = true;
      continue;
    }
    if (i + 1 == args.size()) return false;
    const std::string_view value = args[++i];
    bool good = false;
    if (EqualsIgnoreCase(option, "points")) {
      good = ParseWireNumber(value, &numbers->points) && numbers->points > 0;
    } else if (EqualsIgnoreCase(option, "period")) {
      good = ParseWireNumber(value, &numbers->period) && numbers->period > 0;
    } else if (EqualsIgnoreCase(option, "cost")) {
      good = ParseWireNumber(value, &numbers->cost) && numbers->cost >= 0;
    } else if (EqualsIgnoreCase(option, "algo")) {
      good = ParseAlgorithm(value, algorithm);
    }
    if (!good) return false;
  }
  return numbers->points > 0 && numbers->period > 0;
}

// The question about one limit; nothing if it cannot be.
std::optional<LimitCommand> Ask(LimitCommand command, const LimitShape& shape, int64_t cost,
                                std::string* error) {
  const std::string wrong = LimitMath::Check(shape);
  if (!wrong.empty()) return Refuse(error, wrong);
  command.question.limits.push_back(
      {CounterOf(command.key, shape.algorithm), shape, static_cast<uint64_t>(cost)});
  return command;
}

std::optional<LimitCommand> ParseLimit(const ArgList& args, std::string* error) {
  LimitCommand command;
  if (args.size() == 3 && EqualsIgnoreCase(args[1], "reset")) {
    command.kind = LimitCommand::Kind::kReset;
    command.key = args[2];
    return command;
  }
  Numbers numbers;
  LimitAlgorithm algorithm = LimitAlgorithm::kGcra;
  if (args.size() < 6 || !ReadOptions(args, &numbers, &algorithm, &command.question.peek)) {
    return Refuse(error, kLimitUsage);
  }
  if (algorithm == LimitAlgorithm::kSlidingLog && numbers.points > kLogPointsMax) {
    return Refuse(error, Concat("POINTS: a sliding_log keeps at most ", kLogPointsMax, ", found ",
                                numbers.points));
  }
  command.key = args[1];
  return Ask(
      std::move(command),
      {algorithm, static_cast<uint64_t>(numbers.points), static_cast<uint64_t>(numbers.period), 0},
      numbers.cost, error);
}

std::optional<LimitCommand> ParseThrottle(const ArgList& args, std::string* error) {
  int64_t max_burst = 0, count = 0, period_s = 0, quantity = 1;
  const bool good = (args.size() == 5 || args.size() == 6) &&
                    ParseWireNumber(args[2], &max_burst) && max_burst >= 0 &&
                    ParseWireNumber(args[3], &count) && count > 0 &&
                    ParseWireNumber(args[4], &period_s) && period_s > 0 &&
                    (args.size() == 5 || (ParseWireNumber(args[5], &quantity) && quantity >= 0));
  constexpr int64_t kMax = int64_t{1} << 40;
  if (!good || max_burst > kMax || count > kMax || period_s > kMax) {
    return Refuse(error, kThrottleUsage);
  }
  LimitCommand command;
  command.kind = LimitCommand::Kind::kThrottle;
  command.key = args[1];
  return Ask(std::move(command),
             {LimitAlgorithm::kGcra, static_cast<uint64_t>(count),
              static_cast<uint64_t>(period_s) * 1000, static_cast<uint64_t>(max_burst) + 1},
             quantity, error);
}

int64_t UpToMs(int64_t us) { return us < 0 ? us : (us + 999) / 1000; }

// redis-cell counts whole seconds, and one more for each that is begun by a millisecond at least.
int64_t CellSeconds(int64_t us) { return us < 0 ? us : (us / 1000 + 999) / 1000; }

}  // namespace

bool IsLimitCommand(std::string_view name) {
  return EqualsIgnoreCase(name, kLimitName) || EqualsIgnoreCase(name, kThrottleName);
}

std::optional<LimitCommand> ParseLimitCommand(const ArgList& args, std::string* error) {
  return EqualsIgnoreCase(args[0], kLimitName) ? ParseLimit(args, error)
                                               : ParseThrottle(args, error);
}

std::string LimitCommand::ResetRequest() const {
  std::string request;
  AppendRequestHeader(&request, 1 + std::size(kInRedis));
  AppendRequestArg(&request, "UNLINK");
  for (const LimitAlgorithm algorithm : kInRedis) {
    AppendRequestArg(&request, CounterOf(key, algorithm));
  }
  return request;
}

std::string LimitCommand::Reply(const ScriptAnswer& answer) const {
  const bool throttle = kind == Kind::kThrottle;
  const auto limit = static_cast<int64_t>(question.limits[0].shape.capacity());
  std::string reply;
  ReplyWriter writer(&reply, 2);
  writer.ArrayHeader(5);
  writer.Integer(answer.allowed != throttle ? 1 : 0);
  writer.Integer(limit);
  writer.Integer(answer.remaining);
  if (throttle) {
    writer.Integer(CellSeconds(answer.retry_us));
    writer.Integer(CellSeconds(answer.reset_us));
  } else {
    writer.Integer(UpToMs(answer.reset_us));
    writer.Integer(UpToMs(answer.retry_us));
  }
  return reply;
}

const std::vector<const CommandSpec*>& LimitCommandSpecs() {
  // Kept for ever, with its table.
  static const std::shared_ptr<const CommandTable> table =
      CommandTable::FromReply(kCommandReply).value();
  return table->commands();
}

}  // namespace weir
