// The other end of the control socket: asking a broker of many tasks.
#pragma once

#include <filesystem>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "tools/serve/control_request.h"

namespace mayfly::serve {

/// ControlClient is connected to a broker's control socket.
class ControlClient {
 public:
  /// @return nothing if no broker serves there.
  /// @throws tools::Failure when the socket can't be reached for another reason.
  [[nodiscard]] static std::optional<ControlClient> connect(const std::filesystem::path& socket);

  /// Asks for something and waits for the answer, some minutes at most: before a task is
  /// opened, a person may be asked.
  /// @throws tools::Failure what the broker refuses, in its words and with its status; kInternal
  ///         when it hangs up or its answer makes no sense; kTryAgain when it does not answer.
  [[nodiscard]] nlohmann::json ask(const ControlRequest& request);

 private:
  explicit ControlClient(Descriptor socket) noexcept : socket_(std::move(socket)) {}

  Descriptor socket_;
};

}  // namespace mayfly::serve
