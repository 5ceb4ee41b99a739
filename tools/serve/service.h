// The broker of many tasks.
#pragma once

#include "config/config.h"
#include "tools/exit_status.h"

namespace mayfly::serve {

/// Serves tasks until a signal asks for the end (SIGTERM, SIGINT, SIGQUIT); then ends all of them.
/// SIGHUP has the configuration read again: one that is not good is refused, and the old one stays.
///
/// The process must have one thread; more are started. It never reads a PIN, and nothing that a
/// task's client sends.
/// @param file  The configuration file, absolute.
/// @return kOk, or kTryAgain if a key may be left.
/// @throws tools::Failure, Error
[[nodiscard]] tools::ExitStatus serve(const std::filesystem::path& file);

}  // namespace mayfly::serve
