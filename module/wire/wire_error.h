// What goes wrong between the two ends of a connection.
#pragma once

#include <stdexcept>
#include <string>

namespace mayfly::wire {

/// The connection is of no use any more, and why: whoever meets one closes it.
class WireError : public std::runtime_error {
 public:
  enum class Cause {
    hung_up,    ///< the other side is gone
    timed_out,  ///< the other side took too long
    malformed,  ///< what came is no message, or not the body of its kind
    system,     ///< the operating system refused
  };

  WireError(Cause cause, const std::string& message) : std::runtime_error(message), cause_(cause) {}

  [[nodiscard]] Cause cause() const noexcept { return cause_; }

 private:
  Cause cause_;
};

[[noreturn]] inline void malformed(const std::string& message) {
  throw WireError(WireError::Cause::malformed, message);
}

}  // namespace mayfly::wire
