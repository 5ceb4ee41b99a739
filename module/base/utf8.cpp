#include "base/utf8.h"

#include <cstdint>

namespace mayfly {
namespace {

constexpr char32_t kMalformed = 0xffffffff;

/// Decodes the character at the start of `text` and takes it off; kMalformed if there is none.
char32_t take_character(std::string_view& text) noexcept {
  const auto lead = static_cast<std::uint8_t>(text.front());
  std::size_t size = 1;
  char32_t value = lead;
  char32_t least = 0;
  if (lead >= 0xf0 && lead <= 0xf4) {
    size = 4, value = lead & 0x07, least = 0x10000;
  } else if (lead >= 0xe0 && lead < 0xf0) {
    size = 3, value = lead & 0x0f, least = 0x800;
  } else if (lead >= 0xc2 && lead < 0xe0) {
    size = 2, value = lead & 0x1f, least = 0x80;
  } else if (lead >= 0x80) {
    return kMalformed;
  }
  if (text.size() < size) return kMalformed;
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<std::uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return kMalformed;
    value = value << 6 | (next & 0x3f);
  }
  text.remove_prefix(size);
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  return value < least || value > 0x10ffff || surrogate ? kMalformed : value;
}

bool is_control(char32_t c) noexcept {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029;
}

}  // namespace

bool is_printable_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const char32_t c = take_character(text);
    if (c == kMalformed || is_control(c)) return false;
  }
  return true;
}

std::string printable_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    std::string_view rest = text;
    const char32_t c = take_character(rest);
    const std::size_t size = c == kMalformed ? 1 : text.size() - rest.size();
    if (c == kMalformed || is_control(c)) {
      result += '?';
    } else {
      result += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return result;
}

std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes) noexcept {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace mayfly
