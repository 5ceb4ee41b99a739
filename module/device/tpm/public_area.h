// Public areas: what a key in the TPM is and may do.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/public_key.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// The storage key of the null hierarchy under which all session keys of a TPM are made, the same
/// for all processes until the TPM is reset. That it is the parent of a key proves that the key is
/// mayfly's: its authPolicy is a tag that nobody else uses.
[[nodiscard]] TPM2B_PUBLIC parent_template();

/// Whether this is that key.
[[nodiscard]] bool is_parent(const Tpm::PublicArea& area);

/// A key that signs, and nothing else; that the TPM made, and that can't leave it or its parent.
/// @param policy  The digest of a policy, by which alone the key can be used; empty for a key that
/// is
///                used with its authorisation value.
[[nodiscard]] TPMT_PUBLIC session_key_template(const KeySpec& spec, ByteView policy);

/// A public area, marshalled: what its name is computed over, and what evidence holds.
[[nodiscard]] Bytes public_bytes(const TPMT_PUBLIC& area);

/// The public key in an area, as the device layer knows it. An RSA key's exponent is 65537.
[[nodiscard]] PublicKey public_key_of(const KeySpec& spec, const TPMT_PUBLIC& area);

/// The name of a public area: nameAlg ‖ digest (TPM 2.0 Part 1, 16). For SHA-256 only.
[[nodiscard]] Bytes name_of(const TPMT_PUBLIC& public_area);

/// The qualified name of a key: nameAlg ‖ H(qualified name of the parent ‖ name).
[[nodiscard]] Bytes qualified_name(ByteView parent, ByteView name);

/// The qualified name of a primary key of the null hierarchy.
[[nodiscard]] Bytes null_primary_qualified_name(ByteView name);

/// Checks that what the TPM made is what it was asked to make, and that it has the name that it
/// says.
/// @return the public key
/// @throws Error CKR_DEVICE_ERROR otherwise.
[[nodiscard]] PublicKey inspect(const KeySpec& spec, const TPMT_PUBLIC& wanted,
                                const Tpm::Created& made);

}  // namespace mayfly::tpm
