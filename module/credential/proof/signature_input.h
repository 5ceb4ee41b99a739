// The fields Signature-Input and Signature of HTTP message signatures (RFC 9421, 4), of which this
// is the part that proofs have: components without parameters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace mayfly::credential {

/// The longest field that is looked at, in bytes.
inline constexpr std::size_t kMaxSignatureField = 8 * 1024;

/// What a signature is over, and how it was made.
struct SignatureInput {
  std::vector<std::string> components;  ///< "@method", "content-digest"
  std::optional<std::uint64_t> created;
  std::optional<std::uint64_t> expires;
  std::optional<std::string> nonce;
  std::optional<std::string> algorithm;  ///< alg
  std::optional<std::string> key_id;     ///< keyid
  std::optional<std::string> tag;
};

/// The value of @signature-params (2.3): components and parameters, in the order of the struct.
[[nodiscard]] std::string to_signature_params(const SignatureInput& input);

/// The one signature of a message, as its two fields have it.
struct SignatureFields {
  SignatureInput input;
  std::string params;  ///< the value of @signature-params, as it was written
  Bytes signature;
};

/// Reads both fields, which must have one and the same label.
/// @throws Error CKR_DATA_INVALID that says what is wrong: also for a second signature, a component
///         that is there twice or has parameters, and a parameter that is not known.
[[nodiscard]] SignatureFields parse_signature_fields(std::string_view input,
                                                     std::string_view signature);

}  // namespace mayfly::credential
