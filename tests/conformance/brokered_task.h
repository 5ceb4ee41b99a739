// A task for clients of a broker.
#pragma once

#include <filesystem>
#include <string>

#include "support/server_process.h"

namespace mayfly::test {

/// BrokeredTask is a `mayfly run` whose command does nothing: clients of both of its doors are
/// elsewhere. It ends with this.
class BrokeredTask {
 public:
  /// @param config_file  The mayfly.toml of the broker.
  /// @param ttl          How long the task lives ("1s"); empty for the default.
  BrokeredTask(const std::filesystem::path& config_file, const std::string& task,
               const std::string& ttl);

  /// What MAYFLY_SOCKET is inside of it.
  [[nodiscard]] const std::string& socket() const noexcept { return socket_; }
  /// What P11_KIT_SERVER_ADDRESS is inside of it.
  [[nodiscard]] const std::string& p11kit_address() const noexcept { return p11kit_address_; }

  /// Writes what a libmayfly.so of this process needs to meet the task, with the broker's log as
  /// its own, so that a test finds all that was said in one file.
  /// @return what its pReserved must say.
  [[nodiscard]] std::string reserved(const std::filesystem::path& folder) const;

 private:
  ServerProcess run_;
  std::string socket_;
  std::string p11kit_address_;
};

}  // namespace mayfly::test
