// Where the control socket is.
#pragma once

#include <filesystem>
#include <utility>

#include "base/descriptor.h"

namespace mayfly::serve {

/// ControlPlace makes the control socket and takes it away again. One broker at a time has a place:
/// a lock file beside the socket says so.
class ControlPlace {
 public:
  /// Makes the socket, also where one of a dead broker is left; its folder, if that is missing.
  /// @throws tools::Failure kAlreadyExists if another broker has the place; others when it is not
  ///         safe or can't be written.
  explicit ControlPlace(std::filesystem::path path);
  ~ControlPlace();
  ControlPlace(const ControlPlace&) = delete;
  ControlPlace& operator=(const ControlPlace&) = delete;

  /// The socket, which listens. Once.
  [[nodiscard]] Descriptor take_socket() noexcept { return std::move(socket_); }

 private:
  const std::filesystem::path path_;
  Descriptor lock_;
  Descriptor socket_;
};

}  // namespace mayfly::serve
