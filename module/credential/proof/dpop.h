// DPoP proofs (RFC 9449): a signed token for one HTTP request, with the key in its header.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/jws_algorithm.h"
#include "base/signer.h"
#include "credential/proof/proof_time.h"

namespace mayfly::credential {

/// The longest text of a proof that is looked at, in bytes.
inline constexpr std::size_t kMaxProofSize = 8 * 1024;
inline constexpr std::string_view kDpopType = "dpop+jwt";

/// The request that a proof is for.
struct DpopRequest {
  std::string method;        ///< htm: "GET"
  std::string target;        ///< the URI; htu is written without query and fragment
  std::string access_token;  ///< what ath is the hash of; empty: no ath
  std::string nonce;         ///< what the server gave out; empty: none
};

/// Makes a proof. Besides what RFC 9449 asks for it has an exp, so that verifiers that look at it
/// refuse it after the task's deadline.
/// @throws Error CKR_ARGUMENTS_BAD for a method or target that is none, or after the deadline;
///         CKR_KEY_TYPE_INCONSISTENT for a key that can't sign; what Signer::sign() throws.
[[nodiscard]] std::string make_dpop(const DpopRequest& request, const ProofTime& time,
                                    Signer& signer);

/// What a proof says.
struct Dpop {
  PublicKey key;  ///< jwk: the key that signed it
  std::string id;
  std::string method;
  std::string target;
  std::uint64_t issued_at = 0;
  std::optional<std::uint64_t> expires;
  std::optional<std::string> token_hash;  ///< ath
  std::optional<std::string> nonce;
};

/// Reads a proof that the key in its header signed. Whose key that is, and what the proof is for,
/// is for verify/verify.h to say.
/// @throws Refused with Part::proof and the first reason up to bad_claim that applies.
[[nodiscard]] Dpop read_dpop(std::string_view text);

}  // namespace mayfly::credential
