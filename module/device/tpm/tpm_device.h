// A TPM 2.0 as a device of its own kind.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "device/device.h"
#include "device/key_journal.h"

namespace mayfly {

/// Who makes sure that a key is not used after its task's deadline.
enum class TpmDeadline {
  hardware,  ///< the TPM itself, by the key's policy: four commands a signature
  software,  ///< mayfly, which knows the key's authorisation value: one command a signature
};

/// Which TPM to open, and how.
struct TpmDeviceOptions {
  std::string tcti;  ///< as tss2-tctildr takes it: "device:/dev/tpmrm0", "swtpm:path=…"
  std::chrono::milliseconds timeout{30'000};  ///< the longest that one command may take
  TpmDeadline deadline = TpmDeadline::hardware;

  /// Whether each key has a counter in the TPM that ends it for ever, with the key's end, whoever
  /// has stolen what.
  bool kill_switch = false;

  /// Whether authorisation values are kept from whoever listens between this process and the TPM.
  bool encrypt = false;

  /// After so long without a signature, the next retry_pending() flushes the policy session: a
  /// session that is never used in the end blocks all who save theirs, on any resource manager.
  std::chrono::milliseconds session_idle{5'000};

  /// Where sessions are recorded if no resource manager ends those of dead processes; null to
  /// record none.
  std::shared_ptr<KeyJournal> journal;
  /// PEM, one each: of the attestation key first, then of those who certified it. May be empty.
  std::vector<std::string> attestation_certificates{};
};

/// Connects to the TPM and asks it what it can do.
///
/// @throws Error with a sentence that says what to mend: CKR_TOKEN_NOT_PRESENT when it can't be
///         reached, CKR_DEVICE_REMOVED when it does not answer, CKR_GENERAL_ERROR when it can't do
///         what the options ask for.
[[nodiscard]] std::unique_ptr<Device> open_tpm_device(TpmDeviceOptions options);

}  // namespace mayfly
