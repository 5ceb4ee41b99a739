#include "compose/abandoned_ledgers.h"

#include <algorithm>
#include <exception>

#include "base/guarded_file.h"
#include "base/log.h"
#include "ledger/chain_folder.h"

namespace mayfly {

void tell_abandoned_ledgers(const Config& config) noexcept {
  if (config.ledger.folder.empty()) return;
  constexpr std::size_t kMostTold = 10;
  try {
    const auto chains = ledger::take_abandoned(config.ledger.folder);
    for (std::size_t i = 0; i < std::min(chains.size(), kMostTold); ++i) {
      log::warn("the ledger of task " + chains[i].task.id +
                " is not sealed, since its process died; see: mayfly audit verify " +
                shell_word(chains[i].path.string()));
    }
    if (chains.size() > kMostTold) {
      log::warn(std::to_string(chains.size() - kMostTold) + " more ledgers are not sealed either");
    }
  } catch (const std::exception& error) {
    log::warn("the ledgers of dead processes were not looked for", error);
  }
}

}  // namespace mayfly
