// Byte strings, and the few things everybody does with them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mayfly {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using ByteSpan = std::span<std::uint8_t>;

/// The bytes of a text, without a terminating zero.
inline ByteView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// A text made of the given bytes, unchecked.
inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }

inline bool equal(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

/// Lower-case hexadecimal, two digits a byte.
std::string to_hex(ByteView bytes);

/// Whether a text is that many lower-case hexadecimal digits.
bool is_hex(std::string_view text, std::size_t digits) noexcept;

/// What to_hex() made of some bytes; nothing for anything else.
std::optional<Bytes> parse_hex(std::string_view text);

/// A number in lower-case hexadecimal digits, without leading zeros.
std::string to_hex_number(std::uint64_t number);

/// Reads hexadecimal digits, all of them; nothing for anything else.
std::optional<std::uint64_t> parse_hex_number(std::string_view text) noexcept;

}  // namespace mayfly
