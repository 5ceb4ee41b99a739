// Fixed text fields of PKCS#11.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "base/pkcs11.h"
#include "base/utf8.h"

namespace mayfly::api {

/// Fills a field with UTF-8, cut on a character boundary and padded with blanks, without a
/// terminating zero (PKCS#11 3.0, 3.1).
template <typename Byte, std::size_t kSize>
void set_padded(Byte (&field)[kSize], std::string_view text) {
  const std::string_view shown = utf8_prefix(text, kSize);
  std::fill(std::begin(field), std::end(field), static_cast<Byte>(' '));
  std::copy(shown.begin(), shown.end(), std::begin(field));
}

}  // namespace mayfly::api
