// What a device can do, tried with a key.
#pragma once

#include <optional>
#include <string>

#include "device/device.h"

namespace mayfly::tools {

/// The kinds of key that the device makes, for people; empty if it makes none that mayfly knows.
[[nodiscard]] std::string key_kinds_of(const Device& device);

/// A kind of key that the device makes; nothing if it makes none of the usual ones.
[[nodiscard]] std::optional<KeySpec> test_key_spec(const Device& device);

/// Makes a key, signs, verifies, and destroys it.
/// @throws Error what went wrong.
void use_test_key(Device& device, const KeySpec& spec);

}  // namespace mayfly::tools
