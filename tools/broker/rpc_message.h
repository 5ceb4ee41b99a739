// The bytes of p11-kit's remote protocol, version 0: numbers, byte strings, arrays.
//
// Numbers are big-endian. CK_ULONG is 8 bytes. A byte string is its length in 4 bytes, 0xffffffff
// for NULL, and the bytes.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "base/bytes.h"
#include "base/pkcs11.h"

namespace mayfly::broker {

/// What a message may have, without its header, and the most that one answer may take.
inline constexpr std::size_t kMaxMessage = 1024 * 1024;

/// What came is no message, or not the arguments of its call.
class MalformedMessage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// RpcReader takes a request apart, piece by piece. Nothing that the other side says is believed:
/// each piece must be there. All functions throw MalformedMessage.
class RpcReader {
 public:
  /// Bytes of the message itself, as PKCS#11 functions want them.
  struct Data {
    CK_BYTE_PTR data = nullptr;
    CK_ULONG size = 0;
  };

  explicit RpcReader(ByteSpan message) noexcept : rest_(message) {}

  [[nodiscard]] std::uint8_t byte();
  [[nodiscard]] std::uint32_t u32();
  [[nodiscard]] CK_ULONG ulong();
  /// A byte string.
  [[nodiscard]] Data string();
  /// A byte string that an argument is ("ay"): NULL may have a length.
  [[nodiscard]] Data bytes();
  /// A number of bytes that are just there.
  [[nodiscard]] ByteSpan raw(std::size_t size);
  [[nodiscard]] std::size_t left() const noexcept { return rest_.size(); }
  /// The message must be over.
  void end() const;

 private:
  ByteSpan rest_;
};

/// RpcWriter puts an answer together.
class RpcWriter {
 public:
  /// @param buffer  What was in it is dropped, its memory is used again.
  explicit RpcWriter(Bytes& buffer) noexcept : buffer_(buffer) { buffer_.clear(); }

  void byte(std::uint8_t value) { buffer_.push_back(value); }
  void u32(std::uint32_t value);
  void ulong(CK_ULONG value);
  void version(const CK_VERSION& value);
  /// A byte string that is not NULL.
  void string(ByteView value);
  /// A byte string that a result is ("ay"); without data, only the length is told.
  void bytes(const CK_BYTE* data, CK_ULONG size);
  /// Numbers ("au"); without data, only how many there are.
  void ulongs(const CK_ULONG* data, CK_ULONG count);
  /// Overwrites four bytes at a place that was written before.
  void set_u32(std::size_t place, std::uint32_t value) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return buffer_.size(); }
  /// Forgets what was written from a place on.
  void cut(std::size_t place) noexcept { buffer_.resize(place); }

 private:
  Bytes& buffer_;
};

}  // namespace mayfly::broker
