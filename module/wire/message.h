// The pieces of which a message's body is made (docs/door-protocol.md).
//
// Numbers are little-endian and have fixed widths. A byte string is its length in four bytes, and
// the bytes. A list is how many items it has in four bytes, and the items.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace mayfly::wire {

/// Writer puts a body together, piece by piece.
class Writer {
 public:
  /// @param out  Written behind what is in it; outlives the writer.
  explicit Writer(Bytes& out) noexcept : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(value); }
  void flag(bool value) { u8(value ? 1 : 0); }
  void u32(std::uint32_t value) { number(value); }
  void u64(std::uint64_t value) { number(value); }
  void bytes(ByteView value);
  void text(std::string_view value) { bytes(as_bytes(value)); }
  /// The length of a list, for which its items must follow.
  void count(std::size_t items);


 private:
  template <typename Number>
  void number(Number value);

  Bytes& out_;
};

/// Reader takes a body apart, piece by piece. Nothing that the other side says is believed: each
/// piece must be there. All functions throw WireError (malformed).
class Reader {
 public:
  /// @param body  Outlives the reader and what its bytes() gave.
  explicit Reader(ByteView body) noexcept : rest_(body) {}

  [[nodiscard]] std::uint8_t u8();
  /// 0 or 1.
  [[nodiscard]] bool flag();
  [[nodiscard]] std::uint32_t u32() { return number<std::uint32_t>(); }
  [[nodiscard]] std::uint64_t u64() { return number<std::uint64_t>(); }
  /// A byte string; points into the body.
  [[nodiscard]] ByteView bytes();
  /// A byte string of at most `most` bytes.
  [[nodiscard]] ByteView bytes(std::size_t most);
  /// The same as a text, unchecked.
  [[nodiscard]] std::string text(std::size_t most) { return std::string(as_text(bytes(most))); }
  /// How many items a list has.
  /// @param least  Bytes that each item takes at least: a list can't be longer than what is there.
  [[nodiscard]] std::size_t count(std::size_t least);

  /// Nothing may be left over.
  void require_end() const;

 private:
  template <typename Number>
  Number number();
  ByteView take(std::size_t size);

  ByteView rest_;
};

}  // namespace mayfly::wire
