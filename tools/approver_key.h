// The approver's key that the command line names.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "base/signer.h"
#include "config/config.h"

namespace mayfly::tools {

/// Which key, and how to get at it.
struct ApproverKeyOptions {
  std::string key;         ///< a PEM file, or a PKCS#11 URI
  std::string module;      ///< for a URI: the PKCS#11 library; empty takes the configuration's
  std::string pin_source;  ///< for a URI: where the PIN comes from
  std::string whose = "the approver's key";  ///< for messages
};

/// Adds --module and --pin-source.
void add_token_options(CLI::App& command, ApproverKeyOptions& options);

/// The configuration, if one is named, or there is one in the usual places that this user can read.
/// Approvers may work on a machine that has none, or where it is somebody else's.
/// @throws Failure kNoConfiguration for a named one that is not there, kBadConfiguration.
[[nodiscard]] std::optional<Config> find_configuration_if_any(const std::string& explicit_path);

/// The private key. A PEM file must be readable for its owner only; a key in an HSM must not lie on
/// the token that tasks' keys are made in, whose PIN the broker has: it could allow itself
/// everything.
/// @throws Failure or Error that says what is wrong.
[[nodiscard]] std::unique_ptr<Signer> open_approver_key(const ApproverKeyOptions& options,
                                                        const std::optional<Config>& config);

/// The public key, out of a PEM public key or an HSM.
[[nodiscard]] PublicKey read_approver_key(const ApproverKeyOptions& options,
                                          const std::optional<Config>& config);

}  // namespace mayfly::tools
