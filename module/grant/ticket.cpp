#include "grant/ticket.h"

#include <string_view>

#include "base/hash.h"
#include "base/random.h"

namespace mayfly::grant {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static_assert(kAlphabet.size() == 32, "each character takes five bits");

}  // namespace

Ticket make_ticket() {
  Ticket ticket{SecretBuffer(kTicketSize), {}};
  fill_random(ticket.text.span(), "a ticket");
  for (std::uint8_t& byte : ticket.text.span()) {
    byte = static_cast<std::uint8_t>(kAlphabet[byte & 31]);
  }
  ticket.digest = digest(Hash::sha256, ticket.text.view());
  return ticket;
}

std::optional<Bytes> digest_of_ticket(ByteView pin) {
  if (pin.size() != kTicketSize) return std::nullopt;
  SecretBuffer capital(pin);
  for (std::uint8_t& byte : capital.span()) {
    if (byte >= 'a' && byte <= 'z') byte = static_cast<std::uint8_t>(byte - 'a' + 'A');
    if (kAlphabet.find(static_cast<char>(byte)) == kAlphabet.npos) return std::nullopt;
  }
  return digest(Hash::sha256, capital.view());
}

}  // namespace mayfly::grant
