// HTTP message signatures (RFC 9421) as proofs of a task's key.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/signer.h"
#include "credential/proof/http_message.h"
#include "credential/proof/proof_time.h"
#include "credential/proof/signature_input.h"

namespace mayfly::credential {

/// The name of the algorithm that a key signs messages with (RFC 9421, 3.3): "ecdsa-p256-sha256",
/// "ecdsa-p384-sha384", "ed25519", "rsa-pss-sha512"; empty for a key that has none.
[[nodiscard]] std::string_view http_algorithm_of(const KeySpec& spec) noexcept;

/// The way of signing that a name means for a key: also "rsa-v1_5-sha256", which is read and never
/// written. Nothing for a name that is not one of the key's.
[[nodiscard]] std::optional<SignatureScheme> http_scheme(std::string_view algorithm,
                                                         const KeySpec& spec) noexcept;

/// What is signed (2.5).
/// @param params  The value of @signature-params.
/// @throws Error CKR_ARGUMENTS_BAD for a component that the message has not.
[[nodiscard]] std::string signature_base(const HttpMessage& message, const SignatureInput& input,
                                         std::string_view params);

/// The fields that are to be added to a request.
struct HttpSignature {
  std::string input;      ///< Signature-Input
  std::string signature;  ///< Signature
};

/// Signs @method, @target-uri, @authority and each field of a message, with a nonce. Whoever sends
/// a body puts its content_digest() among the fields.
/// @param nonce  The one that the server gave out; empty: a random one.
/// @throws Error CKR_ARGUMENTS_BAD for a message that is none, a nonce that is not of printable
///         ASCII characters, or after the task's deadline;
///         CKR_KEY_TYPE_INCONSISTENT for a key that can't sign messages; CKR_DEVICE_ERROR for a
///         signature that is none; what Signer::sign() throws.
[[nodiscard]] HttpSignature sign_http(const HttpMessage& message, const ProofTime& time,
                                      Signer& signer, const std::string& nonce = {});

}  // namespace mayfly::credential
