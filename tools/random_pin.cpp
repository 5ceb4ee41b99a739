#include "tools/random_pin.h"

#include <cerrno>
#include <sys/random.h>

#include "tools/failure.h"

namespace mayfly::tools {

SecretBuffer make_random_pin() {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  static_assert(sizeof kAlphabet == 64 + 1, "each character takes six bits");
  static constexpr std::size_t kSize = 26;
  SecretBuffer pin(kSize);
  ssize_t got = 0;
  do {
    got = getrandom(pin.span().data(), kSize, 0);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(kSize))
    throw Failure(kSystem, "the kernel gives no random bytes");
  for (std::uint8_t& byte : pin.span()) byte = static_cast<std::uint8_t>(kAlphabet[byte & 63]);
  return pin;
}

}  // namespace mayfly::tools
