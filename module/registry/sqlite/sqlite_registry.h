// The registry of one machine: a SQLite file.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "registry/registry.h"

namespace mayfly {

/// Opens the registry, and makes it, mode 0600, if there is none. Its folder must be there. One of
/// an earlier mayfly is brought up to date.
/// @param patience  How long others are waited for that have it locked.
/// @throws Error CKR_GENERAL_ERROR "FILE: what is wrong; how to mend it" for a file or folder that
///         others can write, or a registry of a newer mayfly; CKR_FUNCTION_FAILED with SQLite's
///         reason.
[[nodiscard]] std::unique_ptr<Registry> open_sqlite_registry(
    std::filesystem::path file, std::chrono::milliseconds patience = std::chrono::seconds(5));

}  // namespace mayfly
