// Checks that several kinds of credentials and proofs have in common.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "credential/refused.h"
#include "credential/verify/verify.h"

namespace mayfly::credential {

/// @throws Refused issued_in_future.
void check_begin(Part part, std::uint64_t begin, const Clock& clock);
/// @throws Refused expired.
void check_end(Part part, std::uint64_t end, const Clock& clock);

/// Whether a subject is the one that is expected, or lies below it where that ends in "/*".
[[nodiscard]] bool is_subject(std::string_view subject, std::string_view expected) noexcept;

/// @throws Refused wrong_token unless a proof's ath is the hash of the token that came along, and
///         there is none where none came.
void check_token_hash(const std::optional<std::string>& hash, std::string_view access_token);

/// @throws Refused replayed.
void check_first(ReplayCache& seen, std::string_view thumbprint, std::string_view id,
                 std::uint64_t until_unix_s, const Clock& clock);

}  // namespace mayfly::credential
