#include "wire/message.h"

#include <bit>
#include <cstring>
#include <limits>

#include "wire/wire_error.h"

namespace mayfly::wire {

static_assert(std::endian::native == std::endian::little,
              "numbers are copied as they lie in memory");

template <typename Number>
void Writer::number(Number value) {
  const auto* const first = reinterpret_cast<const std::uint8_t*>(&value);
  out_.insert(out_.end(), first, first + sizeof value);
}

template void Writer::number(std::uint32_t);
template void Writer::number(std::uint64_t);

void Writer::count(std::size_t items) {
  if (items > std::numeric_limits<std::uint32_t>::max()) malformed("a piece is too long");
  u32(static_cast<std::uint32_t>(items));
}

void Writer::bytes(ByteView value) {
  count(value.size());
  out_.insert(out_.end(), value.begin(), value.end());
}

ByteView Reader::take(std::size_t size) {
  if (size > rest_.size()) malformed("a message ends too early");
  const ByteView taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

template <typename Number>
Number Reader::number() {
  Number value{};
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

template std::uint32_t Reader::number();
template std::uint64_t Reader::number();

std::uint8_t Reader::u8() { return take(1)[0]; }

bool Reader::flag() {
  const std::uint8_t value = u8();
  if (value > 1) malformed("a flag is neither 0 nor 1");
  return value == 1;
}

ByteView Reader::bytes() { return take(u32()); }

ByteView Reader::bytes(std::size_t most) {
  const ByteView value = bytes();
  if (value.size() > most) {
    malformed("a byte string has " + std::to_string(value.size()) + " bytes; at most " +
              std::to_string(most) + " are taken");
  }
  return value;
}

std::size_t Reader::count(std::size_t least) {
  const std::size_t items = u32();
  if (items > rest_.size() / least) malformed("a list is longer than its message");
  return items;
}

void Reader::require_end() const {
  if (!rest_.empty()) malformed(std::to_string(rest_.size()) + " bytes are left over");
}

}  // namespace mayfly::wire
