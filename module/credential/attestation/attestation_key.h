// The key that signs statements about other keys, and why it is believed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "credential/attestation/tpm_structures.h"

namespace mayfly::attestation {

/// What the verifier trusts: one of these, or more; the first that is set is asked.
struct Trust {
  std::optional<Bytes> enrolled_public;    ///< TPMT_PUBLIC of the one attestation key
  std::optional<Bytes> enrolled_key_info;  ///< DER of its SubjectPublicKeyInfo
  std::string roots;                       ///< PEM certificates
};

/// A file that `mayfly attest enroll` wrote, or a PEM public key, as what is trusted.
/// @throws Error CKR_ARGUMENTS_BAD or Refused "format" for anything else.
[[nodiscard]] Trust trust_in_key_file(const std::string& content);

/// Checks that a TPM uses the key for nothing but statements of its own: it signs, is restricted,
/// was made in the TPM, can't leave it, decrypts nothing, and has one way of signing.
/// @throws Refused "attestation key".
void check_attestation_key(const PublicArea& key);

/// @throws Refused "trust" or "chain".
void check_trust(const PublicArea& key, ByteView key_public,
                 const std::vector<std::string>& certificates, const Trust& trust,
                 std::uint64_t at_unix_s);

}  // namespace mayfly::attestation
