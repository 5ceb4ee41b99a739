#include "tools/broker/rpc_message.h"

#include <array>

namespace mayfly::broker {
namespace {

constexpr std::uint32_t kNull = 0xffffffff;

std::array<std::uint8_t, 4> big_endian(std::uint32_t value) noexcept {
  return {static_cast<std::uint8_t>(value >> 24U), static_cast<std::uint8_t>(value >> 16U),
          static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)};
}

}  // namespace

ByteSpan RpcReader::raw(std::size_t size) {
  if (size > rest_.size()) throw MalformedMessage("a message ends too early");
  const ByteSpan result = rest_.first(size);
  rest_ = rest_.subspan(size);
  return result;
}

std::uint8_t RpcReader::byte() { return raw(1)[0]; }

std::uint32_t RpcReader::u32() {
  std::uint32_t value = 0;
  for (const std::uint8_t part : raw(4)) value = value << 8U | part;
  return value;
}

CK_ULONG RpcReader::ulong() {
  CK_ULONG value = 0;
  for (const std::uint8_t part : raw(8)) value = value << 8U | part;
  return value;
}

RpcReader::Data RpcReader::string() {
  const std::uint32_t size = u32();
  if (size == kNull) return {};
  return {raw(size).data(), size};
}

RpcReader::Data RpcReader::bytes() {
  if (byte() == 0) return {nullptr, u32()};
  return string();
}

void RpcReader::end() const {
  if (!rest_.empty()) throw MalformedMessage("a message is too long for its call");
}

void RpcWriter::u32(std::uint32_t value) {
  const auto bytes = big_endian(value);
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void RpcWriter::ulong(CK_ULONG value) {
  u32(static_cast<std::uint32_t>(value >> 32U));
  u32(static_cast<std::uint32_t>(value));
}

void RpcWriter::version(const CK_VERSION& value) {
  byte(value.major);
  byte(value.minor);
}

void RpcWriter::string(ByteView value) {
  u32(static_cast<std::uint32_t>(value.size()));
  buffer_.insert(buffer_.end(), value.begin(), value.end());
}

void RpcWriter::bytes(const CK_BYTE* data, CK_ULONG size) {
  byte(data == nullptr ? 0 : 1);
  if (data == nullptr) {
    u32(static_cast<std::uint32_t>(size));
  } else {
    string({data, size});
  }
}

void RpcWriter::ulongs(const CK_ULONG* data, CK_ULONG count) {
  byte(data == nullptr ? 0 : 1);
  u32(static_cast<std::uint32_t>(count));
  if (data == nullptr) return;
  for (CK_ULONG i = 0; i < count; ++i) ulong(data[i]);
}

void RpcWriter::set_u32(std::size_t place, std::uint32_t value) noexcept {
  const auto bytes = big_endian(value);
  std::copy(bytes.begin(), bytes.end(), buffer_.begin() + static_cast<std::ptrdiff_t>(place));
}

}  // namespace mayfly::broker
