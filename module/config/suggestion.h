// "Did you mean …?"
#pragma once

#include <cstddef>
#include <string_view>

namespace mayfly {

/// The least number of characters to insert, delete or replace that turns `a` into `b`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// Whether a word this far from what was written is likely to be what was meant.
[[nodiscard]] bool is_likely_slip(std::string_view written, std::size_t distance) noexcept;

}  // namespace mayfly
