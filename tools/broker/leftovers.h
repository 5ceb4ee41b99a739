// Folders of runs: how they are named, and how those of dead runs are removed.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace mayfly::broker {

/// Followed by six characters that mkdtemp(3) chose.
inline constexpr std::string_view kFolderPrefix = "mayfly-";
/// In each folder, with a flock(2) on it as long as the run lives.
inline constexpr std::string_view kLockName = "lock";
/// The lock file's name until it is locked.
inline constexpr std::string_view kNewLockName = "lock.new";

/// The folders of this user's runs in a place, of living and of dead ones.
[[nodiscard]] std::vector<std::filesystem::path> run_folders(const std::filesystem::path& place);

/// Removes a folder of a run with all that is in it. What can't be removed is logged.
void remove_folder(const std::filesystem::path& folder) noexcept;

/// Removes the folders of dead runs from a place where runs make theirs. Only what is provably one
/// of this user's runs and dead is touched: named like one, ours, mode 0700 or 0711, with a lock
/// file that nobody holds. Folders whose lock file was never finished go after five minutes.
void remove_leftovers(const std::filesystem::path& place) noexcept;

}  // namespace mayfly::broker
