// The writes to a registry, counted, and a fault at one of them.
#pragma once

namespace mayfly::test {

/// Where something is to go wrong; writes are counted from 1.
struct RegistryFault {
  unsigned at = 0;     ///< 0: at none
  bool after = false;  ///< the write is made, and then the process is killed
  /// If not 0, the process lives on; this write and all after it fail with that errno.
  int error = 0;
};

/// Counts anew from here on. What SQLite calls to change a file (pwrite, ftruncate, fdatasync,
/// fsync, unlink) and libpq to ask a server (send) is defined by this program, which libraries find
/// before the C library's.
void watch_registry_writes(const RegistryFault& fault);

/// The writes since then.
[[nodiscard]] unsigned registry_writes();

}  // namespace mayfly::test
