// Tickets: short one-time codes that stand for a grant where only a PIN can be given.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/secret.h"

namespace mayfly::grant {

/// Characters of a ticket. Five random bits each make 130; and several clients cut PINs at 32.
inline constexpr std::size_t kTicketSize = 26;

/// A new ticket, and what is kept of it.
struct Ticket {
  SecretBuffer text;  ///< kTicketSize characters, for the client only
  Bytes digest;       ///< SHA-256 of the text: what is stored, and told to nobody
};

/// Makes a ticket of random digits and capital letters without I, L, O and U, which people mix up.
/// @throws Error CKR_FUNCTION_FAILED when the kernel gives no random numbers.
[[nodiscard]] Ticket make_ticket();

/// What would have been stored of a PIN if it is a ticket; small letters count as capital ones.
/// Nothing for anything that make_ticket() can't have made.
[[nodiscard]] std::optional<Bytes> digest_of_ticket(ByteView pin);

}  // namespace mayfly::grant
