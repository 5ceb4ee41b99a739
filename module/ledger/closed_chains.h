// The chains of a folder that nobody writes any more.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ledger/chain_log.h"

namespace mayfly::ledger {

/// A chain of the folder that can't be taken for what its task's owner wrote.
struct BrokenChain {
  std::filesystem::path path;
  std::string problem;
};

/// What was found in a folder beyond what its log has.
struct NewlyClosed {
  std::vector<ClosedChain> chains;  ///< in the order in which they ended
  std::vector<BrokenChain> broken;
  std::size_t open = 0;  ///< chains that somebody may still add to
};

/// What stands in a log for a chain that is closed; nothing while somebody may add to it.
/// @param path  Of a chain that was found to be so.
[[nodiscard]] std::optional<ClosedChain> closed_chain(const std::filesystem::path& path,
                                                      const Verification& found);

/// Reads the chains of a folder that are not in the log yet.
/// @throws Error CKR_FUNCTION_FAILED when the folder can't be read.
[[nodiscard]] NewlyClosed find_closed(const std::filesystem::path& folder, const ChainLog& log);

}  // namespace mayfly::ledger
