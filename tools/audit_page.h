// Ledgers as one page for a browser.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "ledger/chain_verifier.h"

namespace mayfly::tools {

/// A chain, and those of its entries that are shown.
struct ShownChain {
  std::string file;
  ledger::Verification found;
  std::vector<ledger::Entry> entries;
};

/// Writes a page of HTML that needs nothing but itself: no script, no other file, no network; a
/// content security policy in it forbids them. Whatever stands in a chain is shown as text.
void print_page(std::ostream& out, const std::vector<ShownChain>& chains);

}  // namespace mayfly::tools
