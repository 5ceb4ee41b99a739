// What `mayfly doctor` looks at on the device.
#pragma once

#include "config/config.h"
#include "device/device.h"
#include "tools/report.h"

namespace mayfly::tools {

// Checks that every kind of device has.
inline constexpr char kMechanisms[] = "mechanisms";
inline constexpr char kTestKey[] = "test key";

/// From the PIN's source to a key that is made, signs and is destroyed. Logs in once, or not at all
/// where a wrong PIN could be the last one.
void check_device(const Config& config, Report& report);

/// "mechanisms": which keys the device makes.
void report_key_kinds(const Device& device, Report& report);

}  // namespace mayfly::tools
