// Certificates of the configuration.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mayfly {

/// The PEM certificates of a file, each by itself; none for an empty path.
/// @throws Error CKR_GENERAL_ERROR when the file can't be read or holds none.
[[nodiscard]] std::vector<std::string> read_certificates(const std::filesystem::path& file);

}  // namespace mayfly
