// Mechanisms: one table that everybody reads.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/pkcs11.h"
#include "base/public_key.h"
#include "base/row_set.h"

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

  friend bool operator==(const Mechanism& a, const Mechanism& b) noexcept {
    return a.type == b.type;
  }
};

/// All mechanisms that the module knows.
[[nodiscard]] std::span<const Mechanism> known_mechanisms() noexcept;
/// The kinds of key pairs that the module knows.
[[nodiscard]] std::span<const KeySpec> known_key_specs() noexcept;

using MechanismSet = RowSet<Mechanism, known_mechanisms>;
using KeySpecSet = RowSet<KeySpec, known_key_specs>;

/// The row of a mechanism, or null if the module does not know it.
[[nodiscard]] const Mechanism* find_mechanism(CK_MECHANISM_TYPE type) noexcept;
/// The row of a signing mechanism by its name ("CKM_ECDSA"), or null.
[[nodiscard]] const Mechanism* find_signing_mechanism(std::string_view name) noexcept;
/// A kind of key pairs by its name ("EC P-256", as to_string() gives it); nothing for others.
[[nodiscard]] std::optional<KeySpec> find_key_spec(std::string_view name);

/// The names of the signing mechanisms in a set, in the table's order, apart by ", ".
[[nodiscard]] std::string names_of(const MechanismSet& mechanisms);
/// The names of the kinds in a set, in the table's order, apart by ", ".
[[nodiscard]] std::string names_of(const KeySpecSet& kinds);

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
