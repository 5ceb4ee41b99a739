// A key of a task that was just seen to live, and until when a credential for it may be valid.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/config.h"
#include "tools/task_token.h"

namespace mayfly::tools {

/// What credentials are issued for.
struct LiveKey {
  TaskToken::Key key;
  std::string task_id;
  std::string serial;
  std::uint64_t now_unix_s = 0;
  std::uint64_t deadline_unix_s = 0;  ///< the task's, or up to two seconds before it
  /// The first second in which no credential may be valid any more: never after the task's
  /// deadline, and at most issuer.max-life away.
  std::uint64_t end_unix_s = 0;
};

/// Looks at the task, has the key sign a fresh challenge, and, where issuer.attestation-key is set,
/// asks the TPM for evidence and verifies it.
/// @param wanted     The key's label, or its ID in hexadecimal; empty means the only one.
/// @param valid_for  How long the credential is to be valid at most; nothing takes all there is.
/// @throws Failure kRefused if the task is over, the key does not answer, or the evidence does not
///         hold; kNoInput without such a key.
[[nodiscard]] LiveKey find_live_key(const TaskToken& token, const Config& config,
                                    const std::string& wanted,
                                    std::optional<std::chrono::seconds> valid_for);

/// Whether the task still runs: to be asked when the credential is made, before it is given out.
/// @throws Failure kRefused if not.
void require_open(const TaskToken& token);

}  // namespace mayfly::tools
