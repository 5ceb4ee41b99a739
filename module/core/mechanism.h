// Mechanisms: one table that everybody reads.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/public_key.h"
#include "device/device.h"

namespace mayfly {

/// What a mechanism is for.
enum class MechanismUse { generate, sign, digest };

/// One mechanism that the module knows: a row of the table.
struct Mechanism {
  CK_MECHANISM_TYPE type;
  const char* name;  ///< "CKM_ECDSA"
  MechanismUse use;
  CK_KEY_TYPE key_type;  ///< generate and sign
  Scheme scheme;         ///< sign
  Hash hash;             ///< sign: the hash that the mechanism computes, none for raw ones; digest
  bool multi_part;       ///< whether C_SignUpdate and the like may be used (PKCS#11 3.0, chapter 2)
};

/// The kinds of key pairs that the module knows.
[[nodiscard]] std::span<const KeySpec> known_key_specs() noexcept;

/// The row of a mechanism, or null if the module does not know it.
[[nodiscard]] const Mechanism* find_mechanism(CK_MECHANISM_TYPE type) noexcept;
/// The same by its name, "CKM_ECDSA".
[[nodiscard]] const Mechanism* find_mechanism(std::string_view name) noexcept;

/// Whether the device can do it. Digests need no device.
[[nodiscard]] bool is_offered(const Mechanism& mechanism, const Device& device) noexcept;

/// The mechanisms that the module offers on a device, in the table's order.
[[nodiscard]] std::vector<CK_MECHANISM_TYPE> offered_mechanisms(const Device& device);

/// What C_GetMechanismInfo tells of an offered mechanism.
/// @throws Error CKR_MECHANISM_INVALID if it is not offered.
[[nodiscard]] CK_MECHANISM_INFO mechanism_info(CK_MECHANISM_TYPE type, const Device& device);

/// The row of an offered mechanism of the given use.
/// @throws Error CKR_MECHANISM_INVALID otherwise.
[[nodiscard]] const Mechanism& require_mechanism(CK_MECHANISM_TYPE type, MechanismUse use,
                                                 const Device& device);

/// A mechanism as a client names it, its parameter already in our own types.
struct MechanismChoice {
  /// CK_RSA_PKCS_PSS_PARAMS (PKCS#11 3.0, 2.1.10).
  struct Pss {
    CK_MECHANISM_TYPE hash;
    CK_ULONG mgf;
    CK_ULONG salt_size;
  };

  CK_MECHANISM_TYPE type = 0;
  std::optional<Pss> pss;
};

/// The signature scheme that a choice means for a key.
/// @throws Error CKR_MECHANISM_PARAM_INVALID for a PSS parameter that is missing, contradicts the
///         mechanism, has a mask hash of its own, or a salt that does not fit the key.
[[nodiscard]] SignatureScheme signature_scheme(const Mechanism& mechanism,
                                               const MechanismChoice& choice, const KeySpec& key);

/// A hash by its digest mechanism (CKM_SHA256); nothing for others.
[[nodiscard]] std::optional<Hash> hash_of_mechanism(CK_MECHANISM_TYPE type) noexcept;

}  // namespace mayfly
