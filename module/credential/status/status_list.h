// The bits of a Token Status List (draft-ietf-oauth-status-list, 4): for each credential, by its
// place, whether it holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace mayfly::credential {

/// What stands at a place (7.1). There are other values; here, all but `valid` mean no.
enum class Status : std::uint8_t { valid = 0, invalid = 1 };

/// The most bytes of an unpacked list: 67 million places of one bit.
inline constexpr std::size_t kMaxStatusBytes = 8 * 1024 * 1024;

/// A list of places. Eight, four, two places or one share a byte, the first in its low bits.
class StatusList {
 public:
  /// A list with one bit for each place, in which nothing is valid: whatever is not told of later
  /// does not hold.
  /// @throws Error CKR_ARGUMENTS_BAD for more than kMaxStatusBytes hold.
  explicit StatusList(std::uint64_t places);

  /// Has room for so many places from now on, if it has less: none of the new ones is valid. A list
  /// with one bit for each place only.
  /// @throws Error CKR_ARGUMENTS_BAD for more than kMaxStatusBytes hold.
  void extend(std::uint64_t places);

  /// @throws Error CKR_ARGUMENTS_BAD for a place that the list has not.
  void set(std::uint64_t index, Status status);

  /// The value at a place; nothing for one that the list has not.
  [[nodiscard]] std::optional<unsigned> at(std::uint64_t index) const noexcept;

  [[nodiscard]] unsigned bits() const noexcept { return bits_; }
  /// How many places there are, those that only fill the last byte among them.
  [[nodiscard]] std::uint64_t places() const noexcept { return bytes_.size() * (8 / bits_); }

  /// The member `lst`: the bytes in ZLIB's format (RFC 1950), in base64url.
  [[nodiscard]] std::string packed() const;

  /// @param bits  Of each place: 1, 2, 4 or 8.
  /// @param packed  What packed() writes, of any writer.
  /// @throws Error CKR_DATA_INVALID for anything else, also for more than kMaxStatusBytes.
  [[nodiscard]] static StatusList unpacked(std::uint64_t bits, std::string_view packed);

 private:
  StatusList(unsigned bits, Bytes bytes) : bits_(bits), bytes_(std::move(bytes)) {}

  unsigned bits_ = 1;
  Bytes bytes_;
};

}  // namespace mayfly::credential
