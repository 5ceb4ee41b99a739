// A device's saved evidence of a credential's key, on the command line.
#pragma once

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include "credential/verify/verify.h"

namespace mayfly::tools {

/// Which evidence, and whose word is taken for it.
struct TokenEvidenceOptions {
  std::string file;  ///< empty: none is asked for
  std::string nonce;
  std::string key_file;
  std::uint64_t came_unix_s = 0;  ///< 0: now
  bool software_deadline = false;
};

/// Adds --evidence, --evidence-nonce, --evidence-key, --evidence-came and --software-deadline.
void add_evidence_options(CLI::App& command, TokenEvidenceOptions& options);

/// Verifies the evidence, if any, and that it is of the credential's key and task.
/// @throws credential::Refused not_attested, other_key, wrong_task or valid_too_long; Failure.
void check_evidence(const TokenEvidenceOptions& options,
                    const credential::VerifiedCredential& credential);

}  // namespace mayfly::tools
