// What `mayfly doctor` looks at on a TPM.
#pragma once

#include "config/config.h"
#include "tools/report.h"

namespace mayfly::tools {

/// From the way to the TPM to a key that is made, signs and is destroyed, and the attestation key.
void check_tpm(const Config& config, Report& report);

}  // namespace mayfly::tools
