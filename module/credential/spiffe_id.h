// The names of tasks in credentials (SPIFFE ID, of the SPIFFE standard).
#pragma once

#include <string>
#include <string_view>

namespace mayfly::credential {

/// Whether a text is a trust domain: 1 to 255 lower-case letters, digits, dots, dashes and
/// underscores (SPIFFE ID, 2.1).
[[nodiscard]] bool is_trust_domain(std::string_view text) noexcept;

/// @throws Error CKR_ARGUMENTS_BAD if it is none.
void check_trust_domain(std::string_view text);

/// "spiffe://TRUST-DOMAIN".
[[nodiscard]] std::string spiffe_id(std::string_view trust_domain);

/// "spiffe://TRUST-DOMAIN/task/ID/SERIAL". A SPIFFE ID has letters, digits, dots, dashes and
/// underscores only (2.2): of the task's ID, every byte that is no letter, digit, dot or dash is
/// written as an underscore and two lower-case hexadecimal digits, so that no two IDs look alike.
/// @param serial  The token's, which no other opening of a task of that ID has.
/// @throws Error CKR_ARGUMENTS_BAD for what is no trust domain, an empty ID, or no serial.
[[nodiscard]] std::string spiffe_id(std::string_view trust_domain, std::string_view task_id,
                                    std::string_view serial);

}  // namespace mayfly::credential
