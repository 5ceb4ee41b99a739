// One side of the TPM's benchmark: a PKCS#11 module over a TPM, in a process of its own.
#pragma once

#include <string>
#include <vector>

#include "bench/command_counter.h"

namespace mayfly::bench {

/// What is measured.
enum class TpmWork { sign, generate };

/// A way to use the TPM by PKCS#11.
struct TpmSide {
  std::string name;
  std::string configuration;  ///< mayfly's, complete; empty for tpm2-pkcs11
};

/// One call.
struct TpmCall {
  double us = 0;         ///< how long it took
  double commands = 0;   ///< TPM commands in it; 0 without a counter
  double in_tpm_us = 0;  ///< how long the TPM worked on them
};

/// Measures `count` calls: C_SignInit and C_Sign over 32 bytes with a P-256 key that has signed
/// before; or C_GenerateKeyPair.
///
/// Runs in a process of its own, so that sides keep nothing from one another but the TPM.
/// @param counter  What stands before the TPM, if the side goes through one.
/// @throws std::runtime_error when a call fails.
[[nodiscard]] std::vector<TpmCall> measure(const TpmSide& side, TpmWork work, int count,
                                           const CommandCounter* counter = nullptr);

}  // namespace mayfly::bench
