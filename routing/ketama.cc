#include "routing/ketama.h"

#include <nettle/md5.h>

#include <algorithm>
#include <cmath>

#include "routing/text.h"

namespace weir {
namespace {

constexpr uint32_t kPointsPerHash = 4;  // of the 16 bytes of an MD5
constexpr uint16_t kNamelessPort = 11211;
constexpr size_t kNameBytesMax = 85;  // what twemproxy keeps of a name with its number

// How many MD5s a server of this weight gets. In single precision, because twemproxy rounds so, and
// a point more or less would place other keys elsewhere.
uint32_t HashesOf(uint32_t weight, uint32_t total_weight, size_t servers) {
  const float share = static_cast<float>(weight) / static_cast<float>(total_weight);
  const float hashes = share * 160 / 4 * static_cast<float>(servers);
  return static_cast<uint32_t>(
      std::floor(static_cast<float>(static_cast<double>(hashes) + 0.0000000001)));
}

// FNV-1a with the constants of its 64-bit form cut to 32 bits; a byte above 127 is negative.
uint32_t HashKey(std::string_view key) {
  if (key.empty()) return 0;
  uint32_t hash = 0x84222325;
  for (const char c : key) {
    hash = (hash ^ static_cast<uint32_t>(static_cast<signed char>(c))) * 0x000001b3;
  }
  return hash;
}

}  // namespace

std::string KetamaName(std::string_view host, uint16_t port) {
  return port == kNamelessPort ? std::string(host) : Concat(host, ":", port);
}

Ketama::Ketama(absl::Span<const Server> servers, std::string_view hash_tag)
    : hash_tag_(hash_tag), alone_(servers.size() == 1) {
  uint32_t total_weight = 0;
  for (const Server& server : servers) total_weight += server.weight;
  for (size_t i = 0; i < servers.size(); ++i) {
    const uint32_t hashes = HashesOf(servers[i].weight, total_weight, servers.size());
    for (uint32_t hash = 0; hash < hashes; ++hash) {
      const std::string text = Concat(servers[i].name, "-", hash).substr(0, kNameBytesMax);
      md5_ctx context;
      md5_init(&context);
      md5_update(&context, text.size(), reinterpret_cast<const uint8_t*>(text.data()));
      uint8_t digest[MD5_DIGEST_SIZE];
      md5_digest(&context, sizeof(digest), digest);
      for (uint32_t point = 0; point < kPointsPerHash; ++point) {
        const uint8_t* bytes = digest + point * sizeof(uint32_t);
        points_.push_back({uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 |
                               uint32_t{bytes[3]} << 24,
                           static_cast<uint16_t>(i)});
      }
    }
  }
  std::stable_sort(points_.begin(), points_.end(),
                   [](const Point& a, const Point& b) { return a.value < b.value; });
}

uint16_t Ketama::ServerOf(std::string_view key) const {
  if (hash_tag_.size() == 2) {
    const size_t open = key.find(hash_tag_[0]);
    const size_t close = open == std::string_view::npos ? open : key.find(hash_tag_[1], open + 1);
    if (close != std::string_view::npos && close > open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  if (alone_ || points_.empty()) return 0;
  const auto point = std::lower_bound(
      points_.begin(), points_.end(), HashKey(key),
      [](const Point& candidate, uint32_t hash) { return candidate.value < hash; });
  return point == points_.end() ? points_.front().server : point->server;
}

}  // namespace weir
