// Where libmayfly.so lies.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace mayfly::broker {

/// The folders in which libmayfly.so may lie as seen from this program: installed beside it, in the
/// system's folders, or in the build tree.
[[nodiscard]] std::vector<std::filesystem::path> own_library_places();

/// libmayfly.so; nothing if it is in none of them.
[[nodiscard]] std::optional<std::filesystem::path> find_own_library();

/// The same for who can't do without.
/// @throws tools::Failure kNotFound
[[nodiscard]] std::string own_library();

}  // namespace mayfly::broker
