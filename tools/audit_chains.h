// Ledgers that the command line names.
#pragma once

#include <string>

#include "ledger/chain_verifier.h"

namespace mayfly::tools {

/// Reads and verifies the chain in a file, or on standard input for "-".
/// @throws Failure kNoInput when it can't be read.
[[nodiscard]] ledger::Verification verify_file(const std::string& path,
                                               const ledger::Expectations& expected,
                                               const ledger::EntryListener& listener = {});

/// What a chain tells, for programs: its verdict, its task, who allowed it, its keys.
[[nodiscard]] nlohmann::json chain_json(const std::string& path, const ledger::Verification& found);

/// Who wrote an unsealed chain, and whether that process lives, as far as can be told from here.
[[nodiscard]] std::string owner_text(const std::string& owner);

/// "line 7: what is wrong".
[[nodiscard]] std::string problem_text(const ledger::Verification& found);

}  // namespace mayfly::tools
