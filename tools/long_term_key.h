// Keys that outlive tasks: an approver's, the issuer's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/signer.h"
#include "config/config.h"
#include "tools/hsm_signer.h"

namespace mayfly::tools {

/// Which key, and how to get at it.
struct LongTermKey {
  std::string whose;                    ///< for messages: "the approver's key"
  std::string name;                     ///< a PEM file, or a PKCS#11 URI
  std::string module;                   ///< for a URI: the PKCS#11 library
  std::optional<PinSource> pin_source;  ///< for a URI

  [[nodiscard]] bool is_on_token() const { return name.starts_with("pkcs11:"); }
};

/// Refuses the token that tasks' keys are made in, whose PIN the broker has: the broker itself
/// could sign with a key there.
/// @param slot    Of the token where the key is, or will be.
/// @param config  Whose device is meant; nothing where there is no broker.
/// @throws Failure kUsage
void check_apart(const pkcs11::VendorModule& module, CK_SLOT_ID slot, const std::string& whose,
                 const std::optional<Config>& config);

/// The key in an HSM, logged in if a PIN source is named, on another token than tasks' keys.
/// @param config  Whose device is meant; nothing where there is no broker.
/// @throws Failure kUsage for a key on the device's token; Error what the HSM says.
[[nodiscard]] std::unique_ptr<HsmSigner> open_on_token(const LongTermKey& key,
                                                       const std::optional<Config>& config);

/// The private key. A PEM file must be readable for its owner only.
/// @throws Failure or Error that says what is wrong.
[[nodiscard]] std::unique_ptr<Signer> open_long_term_key(const LongTermKey& key,
                                                         const std::optional<Config>& config);

}  // namespace mayfly::tools
