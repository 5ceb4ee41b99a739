// The ledgers that dead processes left.
#pragma once

#include "config/config.h"

namespace mayfly {

/// Tells in the log of the ledgers that have no end because their processes died, each once. Reads
/// the start of each chain of the folder that is not finished.
void tell_abandoned_ledgers(const Config& config) noexcept;

}  // namespace mayfly
