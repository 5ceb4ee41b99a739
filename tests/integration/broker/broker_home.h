// All that a test of `mayfly run` needs: a device, a configuration, a place for sockets.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "support/softhsm_token.h"
#include "support/temp_folder.h"

namespace mayfly::test {

/// Looks again and again until the condition holds. False if it did not within the time.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds within = std::chrono::seconds(20));

/// BrokerHome models a machine with a SoftHSM2 token, set up for mayfly.
class BrokerHome {
 public:
  /// How the device holds keys.
  enum class Keys { session, stored };

  /// @param extra  TOML that goes behind the configuration's tables.
  explicit BrokerHome(const std::string& extra = "", Keys keys = Keys::session);

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_.path(); }
  [[nodiscard]] std::filesystem::path config_file() const { return folder() / "mayfly.toml"; }
  [[nodiscard]] std::filesystem::path runtime_folder() const { return folder() / "run"; }
  [[nodiscard]] std::filesystem::path log_file() const { return folder() / "log"; }
  [[nodiscard]] const SoftHsmToken& token() const noexcept { return token_; }

  /// Writes the configuration anew.
  void configure(const std::string& pin_source, const std::string& extra = "") const;

  [[nodiscard]] std::string log() const { return read_file(log_file()); }

  /// The folders of runs that are there, of living and of dead ones.
  [[nodiscard]] std::vector<std::filesystem::path> run_folders() const;

  /// The processes that belong to runs of this home: mayfly's own, and those that came of commands.
  [[nodiscard]] std::vector<int> processes() const;

 private:
  SoftHsmToken token_;
  Keys keys_;
  TempFolder folder_;
};

}  // namespace mayfly::test
