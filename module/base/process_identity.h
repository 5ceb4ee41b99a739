// Which process somebody is, so that others can tell later whether it still lives.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mayfly {

/// ProcessIdentity names one process of one boot of one machine. A number alone does not: process
/// numbers are used again, and mean something else in another namespace.
struct ProcessIdentity {
  std::string boot;                  ///< 16 hexadecimal digits of the kernel's boot ID
  std::uint64_t pid_namespace = 0;   ///< inode of /proc/self/ns/pid
  std::uint64_t time_namespace = 0;  ///< inode of /proc/self/ns/time; 0 where the kernel has none
  std::uint64_t pid = 0;
  std::uint64_t started = 0;  ///< clock ticks after the boot: field 22 of /proc/PID/stat

  bool operator==(const ProcessIdentity&) const = default;

  /// This process.
  /// @throws Error CKR_FUNCTION_FAILED when /proc does not tell.
  [[nodiscard]] static ProcessIdentity self();

  /// "BOOT:PIDNS:TIMENS:PID:STARTED", numbers in hexadecimal digits without leading zeros.
  [[nodiscard]] std::string text() const;

  /// Reads such a text; nothing for anything that text() would not write.
  [[nodiscard]] static std::optional<ProcessIdentity> parse(std::string_view text);
};

/// Whether the process lives, as this process can tell.
enum class Liveness {
  alive,
  dead,
  out_of_sight,  ///< it is of another boot or another namespace: nothing can be said from here
};

/// Looks for the process.
/// @param observer  This process.
/// @throws Error CKR_FUNCTION_FAILED when it can't be told because a look-up failed. That is never
///         to be taken for "dead".
[[nodiscard]] Liveness liveness(const ProcessIdentity& process, const ProcessIdentity& observer);

}  // namespace mayfly
