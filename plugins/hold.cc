// A held request is let go of exactly once: resumed, answered, or answered with an error if
// dropped.
#include <string>
#include <utility>

#include "plugins/plugin.h"

namespace weir {

Hold::~Hold() {
  // A client that waits for ever is worse than one that is told.
  if (target_ != nullptr) Answer("-ERR weir: a plugin dropped a held request\r\n");
}

void Hold::Resume() {
  Target* const target = std::exchange(target_, nullptr);
  if (target != nullptr) target->Resume(ticket_);
}

void Hold::Answer(std::string reply) {
  Target* const target = std::exchange(target_, nullptr);
  if (target != nullptr) target->Answer(ticket_, std::move(reply));
}

}  // namespace weir
