// What a TPM says of itself, for people.
#pragma once

#include "device/device.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// Manufacturer, model and firmware. TPMs have no serial number.
[[nodiscard]] DeviceInfo identify(Tpm& tpm);

}  // namespace mayfly::tpm
