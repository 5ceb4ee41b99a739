// The few structures of the TPM 2.0 Library Specification, part 2, that evidence is made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/public_key.h"

namespace mayfly::attestation {

/// Bits of a public area's objectAttributes (part 2, 8.3).
enum ObjectAttribute : std::uint32_t {
  kFixedTpm = 1U << 1,
  kStClear = 1U << 2,
  kFixedParent = 1U << 4,
  kSensitiveDataOrigin = 1U << 5,
  kUserWithAuth = 1U << 6,
  kNoDa = 1U << 10,
  kEncryptedDuplication = 1U << 11,
  kRestricted = 1U << 16,
  kDecrypt = 1U << 17,
  kSign = 1U << 18,
};

/// Handles of the hierarchies, as they stand in qualified names (part 2, 7.4).
inline constexpr std::uint32_t kNullHierarchy = 0x40000007;
inline constexpr std::uint32_t kEndorsementHierarchy = 0x4000000b;

/// A way of signing: TPMT_ECC_SCHEME and TPMT_RSA_SCHEME as far as keys that sign have them.
struct TpmScheme {
  Scheme scheme = Scheme::ecdsa;
  Hash hash = Hash::sha256;

  friend bool operator==(const TpmScheme&, const TpmScheme&) = default;
};

/// TPMT_PUBLIC of a key.
struct PublicArea {
  Hash name_hash = Hash::sha256;
  std::uint16_t name_algorithm = 0;
  std::uint32_t attributes = 0;
  Bytes policy;                     ///< authPolicy
  std::optional<TpmScheme> scheme;  ///< nothing for TPM_ALG_NULL
  PublicKey key;
  Bytes name;  ///< nameAlg and the digest of the whole area
};

/// TPMS_CLOCK_INFO.
struct ClockInfo {
  std::uint64_t clock_ms = 0;
  std::uint32_t resets = 0;
  std::uint32_t restarts = 0;
  bool safe = false;
};

/// TPMS_ATTEST, up to what differs between its types.
struct AttestHeader {
  Bytes qualified_signer;
  Bytes extra_data;
  ClockInfo clock;
  std::uint64_t firmware_version = 0;
};

/// TPMS_ATTEST of TPM2_Certify.
struct CertifyInfo : AttestHeader {
  Bytes name;
  Bytes qualified_name;
};

/// TPMS_ATTEST of TPM2_GetTime.
struct TimeInfo : AttestHeader {
  std::uint64_t time_ms = 0;  ///< since the TPM got power
  ClockInfo attested_clock;
};

/// TPMT_SIGNATURE, in the form that PublicKey::verify() takes.
struct TpmSignature {
  TpmScheme scheme;
  Bytes bytes;  ///< r‖s, or the RSA signature
};

/// TPMS_NV_PUBLIC of a counter index.
struct CounterIndex {
  std::uint32_t index = 0;
  std::uint32_t attributes = 0;
  Bytes name;
};

// Each of these throws Refused("structure", …) for bytes that are no such structure, that hold an
// algorithm which is not known here, or that have some left over.

/// @param what  What the bytes are, for messages.
[[nodiscard]] PublicArea parse_public_area(ByteView bytes, const std::string& what);
/// Refused "magic" and "type" when it was not made by TPM2_Certify in a TPM.
[[nodiscard]] CertifyInfo parse_certify_info(ByteView bytes);
/// Refused "magic" and "type" when it was not made by TPM2_GetTime in a TPM.
[[nodiscard]] TimeInfo parse_time_info(ByteView bytes);
/// @param key  Whose signature it is said to be: it must have that key's type and size.
[[nodiscard]] TpmSignature parse_signature(ByteView bytes, const PublicKey& key);
/// Refused "kill switch" when the index is no counter.
[[nodiscard]] CounterIndex parse_counter_index(ByteView bytes);

/// The qualified name of an object below a parent: nameAlg ‖ H(parent ‖ name) (part 1, 16).
/// @param parent  The parent's qualified name.
[[nodiscard]] Bytes qualified_name(const PublicArea& object, ByteView parent);
/// The same for a primary object, whose parent is the hierarchy itself.
[[nodiscard]] Bytes qualified_name(const PublicArea& primary, std::uint32_t hierarchy);

}  // namespace mayfly::attestation
