// SoftHSM2 as the device that `mayfly init` sets up by itself.
#pragma once

#include <filesystem>
#include <string>

#include "base/secret.h"

namespace mayfly::tools {

/// SoftHSM2's PKCS#11 library, where distributions put it.
/// @throws Failure kDeviceMissing when it is nowhere.
[[nodiscard]] std::filesystem::path find_softhsm();

/// The text of a softhsm2.conf that keeps the tokens in a folder.
[[nodiscard]] std::string softhsm_configuration(const std::filesystem::path& tokens);

/// Makes a token by calls of the library in this process, so that no PIN stands on a command line,
/// and then logs in to it once, after starting the library anew, to see that it was written. Its
/// security officer's PIN is random and forgotten.
/// @param configuration  A softhsm2.conf; SOFTHSM2_CONF is set to it.
/// @throws Error what the library answered.
void make_softhsm_token(const std::filesystem::path& library,
                        const std::filesystem::path& configuration, const std::string& label,
                        SecretBuffer& pin);

}  // namespace mayfly::tools
