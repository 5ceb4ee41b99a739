// Stands between a client and swtpm, and counts.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "support/temp_folder.h"

namespace mayfly::bench {

/// What went through so far.
struct TpmTraffic {
  std::uint64_t commands = 0;
  std::chrono::nanoseconds in_tpm{0};  ///< from each command to its answer
};

/// CommandCounter passes commands on to a swtpm on a Unix socket, one connection for each, as swtpm
/// serves them. A client reaches it as it would reach swtpm.
class CommandCounter {
 public:
  /// @param tcti  The TPM's own: "swtpm:path=PATH".
  explicit CommandCounter(const std::string& tcti);
  ~CommandCounter();
  CommandCounter(const CommandCounter&) = delete;
  CommandCounter& operator=(const CommandCounter&) = delete;

  [[nodiscard]] std::string tcti() const;
  [[nodiscard]] TpmTraffic traffic() const noexcept;

 private:
  void serve();
  void pass_on(int client);

  std::filesystem::path tpm_;
  test::TempFolder folder_;
  int listener_ = -1;
  /// In memory that forked processes share, so that a client can ask after each of its calls.
  struct Shared {
    std::atomic<std::uint64_t> commands{0};
    std::atomic<std::int64_t> in_tpm_ns{0};
  };
  Shared* shared_ = nullptr;
  std::thread thread_;
};

}  // namespace mayfly::bench
