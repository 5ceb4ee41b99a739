// The writes to the registry's files, counted, and a kill at one of them.
#pragma once

namespace mayfly::test {

/// Where the process is to be killed; writes are counted from 1.
struct RegistryKill {
  unsigned at = 0;  ///< 0: at none
  bool after = false;
};

/// Counts anew from here on. What SQLite calls to change a file (pwrite, ftruncate, fdatasync,
/// fsync, unlink) is defined by this program, which libraries find before the C library's.
void watch_registry_writes(const RegistryKill& kill);

/// The writes since then.
[[nodiscard]] unsigned registry_writes();

}  // namespace mayfly::test
