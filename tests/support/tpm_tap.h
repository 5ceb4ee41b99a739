// Somebody between a process and its TPM.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "support/temp_folder.h"

namespace mayfly::test {

/// TpmTap models a tap on the bus: it passes commands on to a swtpm and answers back, remembers
/// all, and can change what comes back.
class TpmTap {
 public:
  /// @param tcti  Of the swtpm: "swtpm:path=…".
  explicit TpmTap(const std::string& tcti);
  ~TpmTap();
  TpmTap(const TpmTap&) = delete;
  TpmTap& operator=(const TpmTap&) = delete;

  /// How to reach the TPM through it.
  [[nodiscard]] std::string tcti() const { return "swtpm:path=" + path(); }

  /// Whether bytes were on the bus since the last forget().
  [[nodiscard]] bool has_heard(ByteView bytes) const;
  void forget();

  /// What becomes of the answers to a command from now on.
  /// @param command  A TPM2_CC; 0 for none.
  void change_answers(std::uint32_t command, std::function<void(Bytes& answer)> change);

 private:
  [[nodiscard]] std::string path() const { return (folder_.path() / "tap").string(); }
  void serve();
  void pass_on(int client);

  const std::string tpm_;
  TempFolder folder_;
  Descriptor listener_;

  mutable std::mutex mutex_;  // guards what follows
  Bytes heard_;
  std::uint32_t changed_command_ = 0;
  std::function<void(Bytes&)> change_;

  std::thread thread_;
};

}  // namespace mayfly::test
