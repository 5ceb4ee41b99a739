// The chains in a ledger's folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "ledger/statement.h"

namespace mayfly::ledger {

/// The files of all chains in a folder, sorted by name.
/// @throws Error CKR_FUNCTION_FAILED when the folder can't be read.
[[nodiscard]] std::vector<std::filesystem::path> chain_files(const std::filesystem::path& folder);

/// What the first entry of a chain says of whose it is.
struct ChainOrigin {
  ChainTask task;
  std::uint64_t deadline_unix_s = 0;
  std::string owner;
};

/// Whether nobody writes the chain any more that such a process began: the process is dead, or it
/// can't be seen from here and the task's deadline is over.
[[nodiscard]] bool is_abandoned(const ChainOrigin& origin);

/// Whether a chain's file is marked as finished: nobody adds to it.
[[nodiscard]] bool is_finished(const std::filesystem::path& path);

/// A chain that its process left without an end.
struct AbandonedChain {
  std::filesystem::path path;
  ChainTask task;
};

/// The chains that dead processes left, each once: it is marked as finished then, by its mode.
/// What can't be looked at is passed over, and so are links.
/// @throws Error as chain_files() and open_folder().
[[nodiscard]] std::vector<AbandonedChain> take_abandoned(const std::filesystem::path& folder);

}  // namespace mayfly::ledger
