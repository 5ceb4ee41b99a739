// The ways in which JSON Web Signatures are made (RFC 7518, 3.1; RFC 8037). There are no others
// here: not "none", no HMAC, and no RSA with PKCS #1 v1.5.
#pragma once

#include <optional>
#include <string_view>

#include "base/public_key.h"

namespace mayfly {

enum class JwsAlgorithm { es256, es384, es512, eddsa, ps256, ps384 };

inline constexpr JwsAlgorithm kJwsAlgorithms[] = {JwsAlgorithm::es256, JwsAlgorithm::es384,
                                                  JwsAlgorithm::es512, JwsAlgorithm::eddsa,
                                                  JwsAlgorithm::ps256, JwsAlgorithm::ps384};

/// Its name in JOSE: "ES256".
[[nodiscard]] std::string_view name_of(JwsAlgorithm algorithm) noexcept;

/// The algorithm of a name, which must be exact; nothing for any other.
[[nodiscard]] std::optional<JwsAlgorithm> find_jws_algorithm(std::string_view name) noexcept;

/// The algorithm that a key of this kind signs with; nothing for RSA keys of less than 2048 or more
/// than 4096 bits.
[[nodiscard]] std::optional<JwsAlgorithm> jws_algorithm_of(const KeySpec& spec) noexcept;

/// Whether keys of this kind have the algorithm: a curve has one, RSA has PS256 and PS384.
[[nodiscard]] bool fits(JwsAlgorithm algorithm, const KeySpec& spec) noexcept;

/// The algorithm in PKCS#11's terms.
[[nodiscard]] SignatureScheme scheme_of(JwsAlgorithm algorithm) noexcept;

/// Whether a signature, r‖s for ECDSA, is one of the key over a message. A key of another kind has
/// none.
[[nodiscard]] bool is_signature(JwsAlgorithm algorithm, const PublicKey& key, ByteView message,
                                ByteView signature);

/// The same for any scheme that has a hash or is EdDSA.
[[nodiscard]] bool is_signature(const SignatureScheme& scheme, const PublicKey& key,
                                ByteView message, ByteView signature);

}  // namespace mayfly
