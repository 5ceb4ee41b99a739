// The four ways in which grants are signed (RFC 7518, RFC 8037). There are no others.
#pragma once

#include <optional>
#include <string_view>

#include "base/public_key.h"

namespace mayfly::grant {

enum class Algorithm { es256, es384, eddsa, ps256 };

/// Its name in JOSE: "ES256".
[[nodiscard]] std::string_view name_of(Algorithm algorithm) noexcept;

/// The algorithm of a name, which must be exact; nothing for any other, "none" among them.
[[nodiscard]] std::optional<Algorithm> find_algorithm(std::string_view name) noexcept;

/// The one algorithm that a key of this kind signs grants with; nothing for P-521, and for RSA keys
/// of less than 2048 or more than 4096 bits.
[[nodiscard]] std::optional<Algorithm> algorithm_of(const KeySpec& spec) noexcept;

/// The algorithm in PKCS#11's terms.
[[nodiscard]] SignatureScheme scheme_of(Algorithm algorithm) noexcept;

/// Whether a signature, in JOSE's form (r‖s for ECDSA), is one of the key over a message. A key of
/// another kind has none.
[[nodiscard]] bool is_signature(Algorithm algorithm, const PublicKey& key, ByteView message,
                                ByteView signature);

}  // namespace mayfly::grant
