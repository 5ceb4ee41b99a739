#include "base/bytes.h"

#include <array>
#include <charconv>

namespace mayfly {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

std::string to_hex(ByteView bytes) {
  std::string text(bytes.size() * 2, '0');
  char* digit = text.data();
  for (const std::uint8_t byte : bytes) {
    *digit++ = kDigits[byte >> 4];
    *digit++ = kDigits[byte & 0x0f];
  }
  return text;
}

bool is_hex(std::string_view text, std::size_t digits) noexcept {
  return text.size() == digits && text.find_first_not_of(kDigits) == text.npos;
}

std::optional<Bytes> parse_hex(std::string_view text) {
  if (text.size() % 2 != 0 || !is_hex(text, text.size())) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (; !text.empty(); text.remove_prefix(2)) {
    bytes.push_back(static_cast<std::uint8_t>(kDigits.find(text[0]) << 4 | kDigits.find(text[1])));
  }
  return bytes;
}

std::string to_hex_number(std::uint64_t number) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return {digits.data(), end};
}

std::optional<std::uint64_t> parse_hex_number(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace mayfly
