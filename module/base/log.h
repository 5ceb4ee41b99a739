// Log lines: what was refused or went wrong, and why. Never a secret.
//
// One line is one open, one write and one close: no lock, no descriptor and no library state is
// kept, so that a fork, a host that closes all descriptors, log rotation and dlclose() can't hurt.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace mayfly::log {

enum class Level { debug, info, warn, error, off };

/// Their names, in that order.
inline constexpr std::string_view kLevelNames = "debug|info|warn|error|off";
/// The level of a name; nothing for any other text.
[[nodiscard]] std::optional<Level> find_level(std::string_view name) noexcept;

/// Where the lines of this process go, from now on.
///
/// @param level  The least serious level that is written.
/// @param file   A file to append to (made with mode 0600); empty means standard error.
/// @throws Error CKR_GENERAL_ERROR when the file can't be opened for appending.
void configure(Level level, const std::string& file);

[[nodiscard]] bool enabled(Level level) noexcept;

/// Writes one line; on standard error, of 4096 bytes at most. Control characters in the message are
/// replaced, so that a hostile label can't forge lines. Never throws and never waits; a line that
/// can't be written at once is lost, and the next one that is written says how many were.
void write(Level level, std::string_view message) noexcept;

inline void debug(std::string_view message) noexcept { write(Level::debug, message); }
inline void info(std::string_view message) noexcept { write(Level::info, message); }
inline void warn(std::string_view message) noexcept { write(Level::warn, message); }
inline void error(std::string_view message) noexcept { write(Level::error, message); }

/// Warns "WHAT: WHY", for where nothing may throw: a line for which there is no memory is lost.
inline void warn(std::string_view what, const std::exception& why) noexcept {
  try {
    warn(std::string(what) + ": " + why.what());
  } catch (const std::exception&) {  // no memory
  }
}

}  // namespace mayfly::log
