// Workload proof tokens (draft-ietf-wimse-wpt): a signed token that goes with a workload identity
// token for one request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/signer.h"
#include "credential/proof/dpop.h"
#include "credential/wit/wit.h"

namespace mayfly::credential {

/// What is written. The drafts have had both spellings, and both are read.
inline constexpr std::string_view kWptType = "wpt+jwt";
inline constexpr std::string_view kLongWptType = "application/wpt+jwt";

/// What a proof is for.
struct WptRequest {
  std::string audience;  ///< aud: the target URI without its query, or what the recipient is called
  std::string wit;       ///< the identity token as it is sent; its key must be the signer's
  std::string access_token;  ///< what ath is the hash of; empty: no ath
};

/// Makes a proof.
/// @throws Error CKR_ARGUMENTS_BAD for an audience that is none, an identity token that is none or
///         of another key, or after the deadline; what Signer::sign() throws.
[[nodiscard]] std::string make_wpt(const WptRequest& request, const ProofTime& time,
                                   Signer& signer);

/// What a proof says.
struct Wpt {
  std::string audience;
  std::string id;
  std::uint64_t expires = 0;
  std::optional<std::uint64_t> issued_at;
  std::string wit_hash;                   ///< wth
  std::optional<std::string> token_hash;  ///< ath
};

/// Reads a proof that the key of an identity token signed, with the algorithm that it says.
/// @throws Refused with Part::proof and the first reason up to bad_claim that applies: also
/// bad_claim
///         for hashes of other tokens (tth, oth), which nobody here could look at.
[[nodiscard]] Wpt read_wpt(std::string_view text, const Wit& wit);

}  // namespace mayfly::credential
