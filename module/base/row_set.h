// Sets of rows of a small table.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace mayfly {

/// RowSet is a set of rows of a table of at most 64, as small and as cheap to copy as a number.
/// What is no row of the table is in no set.
template <typename Row, std::span<const Row> (*table)() noexcept>
class RowSet {
 public:
  /// The empty set.
  constexpr RowSet() noexcept = default;
  [[nodiscard]] static RowSet all() noexcept {
    RowSet result;
    for (const Row& row : table()) result.insert(row);
    return result;
  }

  void insert(const Row& row) noexcept { bits_ |= bit_of(row); }
  [[nodiscard]] bool contains(const Row& row) const noexcept { return (bits_ & bit_of(row)) != 0; }
  [[nodiscard]] bool empty() const noexcept { return bits_ == 0; }

  [[nodiscard]] friend RowSet operator&(RowSet a, RowSet b) noexcept {
    a.bits_ &= b.bits_;
    return a;
  }
  friend bool operator==(const RowSet&, const RowSet&) = default;

 private:
  [[nodiscard]] static std::uint64_t bit_of(const Row& row) noexcept {
    const std::span<const Row> rows = table();
    const auto found = std::ranges::find(rows, row);
    return found == rows.end() ? 0 : std::uint64_t{1} << (found - rows.begin());
  }

  std::uint64_t bits_ = 0;
};

}  // namespace mayfly
