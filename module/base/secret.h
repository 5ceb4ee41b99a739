// Memory for PINs and authorisation values.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace mayfly {

/// The longest PIN that clients may give, in bytes.
inline constexpr std::size_t kMaxPinSize = 8192;

/// A byte string in memory of its own that is locked against swapping, left out of core dumps, not
/// copied into forked children, and zeroised before it is given back. Moves, never copies.
///
/// Locking can be refused by RLIMIT_MEMLOCK; the buffer then still works, and locked() says so.
class SecretBuffer {
 public:
  /// The most that one buffer can hold, in bytes.
  static constexpr std::size_t kMaxSize = 8192;

  SecretBuffer() noexcept = default;
  /// An all-zero buffer of `size` bytes.
  /// @throws Error CKR_HOST_MEMORY when no memory is left or size is over kMaxSize.
  explicit SecretBuffer(std::size_t size);
  /// A buffer that holds a copy of `content`; the caller wipes the original.
  explicit SecretBuffer(ByteView content);
  SecretBuffer(SecretBuffer&& other) noexcept;
  SecretBuffer& operator=(SecretBuffer&& other) noexcept;
  SecretBuffer(const SecretBuffer&) = delete;
  SecretBuffer& operator=(const SecretBuffer&) = delete;
  ~SecretBuffer();

  [[nodiscard]] ByteView view() const noexcept { return {data_, size_}; }
  [[nodiscard]] ByteSpan span() noexcept { return {data_, size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] bool locked() const noexcept { return locked_; }

  /// Shortens the content to its first `size` bytes and zeroises the rest.
  void truncate(std::size_t size) noexcept;

  /// Equality in a time that depends on the lengths only.
  [[nodiscard]] bool equals(ByteView other) const noexcept;

 private:
  void release() noexcept;

  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
  bool locked_ = false;
};

/// Overwrites memory in a way that the compiler can't leave out.
void zeroise(ByteSpan memory) noexcept;

}  // namespace mayfly
