// Entries of ledgers, for people.
#pragma once

#include <string>

#include "ledger/chain_summary.h"
#include "ledger/entry.h"

namespace mayfly::tools {

/// What happened, in one sentence without a full stop.
[[nodiscard]] std::string entry_text(const ledger::Entry& entry);

/// Who allowed a task; empty if nobody had to.
[[nodiscard]] std::string approver_text(const ledger::Permission& permission);

/// The start of a thumbprint, enough to tell the keys of a task apart.
[[nodiscard]] std::string short_key(const std::string& thumbprint);

}  // namespace mayfly::tools
