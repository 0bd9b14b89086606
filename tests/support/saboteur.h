// A TCP middleman between weir and Redis that does on command what networks do by accident.
//
// It has a thread of its own and forwards faithfully until told otherwise. All functions may be
// called at any time from the test's thread and have taken effect when they return.
#ifndef WEIR_TESTS_SUPPORT_SABOTEUR_H_
#define WEIR_TESTS_SUPPORT_SABOTEUR_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "tests/support/net.h"

namespace weir::harness {

enum class Direction { kToServer, kToClient };
enum class Breakage {
  kClose,  // FIN to both sides
  kReset,  // RST to both sides
  kStall,  // no connection breaks, but nothing more passes in that direction: see Blackhole()
};

class Saboteur {
 public:
  explicit Saboteur(uint16_t target_port);
  ~Saboteur();

  uint16_t port() const { return reservation_.port(); }
  std::string address() const { return reservation_.address(); }
  std::string url() const { return "redis://" + address(); }

  // Lets `count` more bytes pass in that direction, counted over all connections from now on, then
  // breaks every connection. Once; connections made later work. kNever: forgets the order.
  static constexpr size_t kNever = std::numeric_limits<size_t>::max();
  void CutAfter(Direction direction, size_t count, Breakage how = Breakage::kClose);
  // True when the cut that was ordered has happened.
  bool cut_done() const;
  // Breaks all connections now, with FIN or RST.
  void Break(Breakage how);
  // Bytes that pass in that direction wait this long. 0: no more.
  void Delay(Direction direction, int delay_ms);
  // Nothing passes in that direction and no connection breaks: it waits, and passes when switched
  // off again.
  void Blackhole(Direction direction, bool on);
  // 0: no limit.
  void Throttle(Direction direction, size_t bytes_per_second);
  // Sends bytes of the saboteur's own to one side of every connection.
  void Inject(Direction direction, const std::string& bytes);
  // While on, connecting is refused (RST). Connections that exist stay.
  void Refuse(bool on);

  size_t connections() const;               // open now
  size_t connections_total() const;         // ever accepted
  size_t connections_closed() const;        // of them closed by now
  size_t bytes(Direction direction) const;  // passed on, over all connections
  // All bytes that passed in that direction since Record(), over all connections.
  void Record();
  std::string recorded(Direction direction) const;

 private:
  struct Core;

  PortReservation reservation_;
  std::unique_ptr<Core> core_;
};

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_SABOTEUR_H_
