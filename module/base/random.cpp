#include "base/random.h"

#include <sys/random.h>

#include "base/base64url.h"
#include "base/error.h"

namespace mayfly {

void fill_random(ByteSpan out, const char* purpose) {
  if (getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size())) {
    throw Error(CKR_FUNCTION_FAILED,
                std::string("the kernel gives no random numbers for ") + purpose);
  }
}

std::string random_id(const char* purpose) {
  Bytes number(16);
  fill_random(number, purpose);
  return to_base64url(number);
}

std::string random_hex(std::size_t bytes, const char* purpose) {
  Bytes number(bytes);
  fill_random(number, purpose);
  return to_hex(number);
}

}  // namespace mayfly
