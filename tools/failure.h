// A failure that ends the mayfly command.
#pragma once

#include <stdexcept>
#include <string>

#include "base/error.h"
#include "tools/exit_status.h"

namespace mayfly::tools {

/// What went wrong and how to mend it, in one line for people, and the exit status that says so to
/// scripts. main() prints the one and returns the other.
class Failure : public std::runtime_error {
 public:
  Failure(ExitStatus status, const std::string& message)
      : std::runtime_error(message), status_(status) {}

  [[nodiscard]] ExitStatus status() const noexcept { return status_; }

 private:
  ExitStatus status_;
};

/// The exit status for an Error that came from a device.
[[nodiscard]] ExitStatus status_of(const Error& error) noexcept;

/// The Failure for a file or folder that could not be made or written.
/// @param error  The errno.
[[nodiscard]] Failure file_failure(const std::string& path, int error);

}  // namespace mayfly::tools
