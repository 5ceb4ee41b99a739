// Bytes taken off the front of an input, as numbers and as pieces.
#pragma once

#include <algorithm>

#include "base/bytes.h"

namespace mayfly::test {

/// Input hands out what a fuzzer made. Once it is used up, it gives zeros and empty pieces, so that
/// a target needs no checks of its own.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) noexcept : rest_(data, size) {}

  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }

  std::uint8_t byte() noexcept {
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  bool flag() noexcept { return (byte() & 1) != 0; }

  /// A number of `width` bytes, big-endian.
  std::uint64_t number(int width) noexcept {
    std::uint64_t value = 0;
    for (int i = 0; i < width; ++i) value = value << 8 | byte();
    return value;
  }

  /// The next `size` bytes, or what there is of them.
  ByteView piece(std::size_t size) noexcept {
    const ByteView taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  /// A piece that says its own length, in one byte.
  ByteView short_piece() noexcept { return piece(byte()); }
  ByteView rest() noexcept { return piece(rest_.size()); }

  /// One of a list.
  template <typename List>
  auto& pick(List& list) noexcept {
    return list[byte() % std::size(list)];
  }

 private:
  ByteView rest_;
};

}  // namespace mayfly::test
