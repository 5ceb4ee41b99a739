// Opening devices one after the other, over all processes that share a configuration.
#pragma once

#include <filesystem>

namespace mayfly::pkcs11 {

/// A lock on a file, held from C_Initialize to the login, because the start-up of some libraries
/// races between processes (SoftHSM2 then fails in C_OpenSession or C_Login).
///
/// It is a courtesy, not a guard: whoever can read the file can hold the lock. So waiting is
/// bounded, and a lock that can't be had costs a warning only.
class StartLock {
 public:
  /// Waits up to ten seconds for the lock.
  /// @param file  Any readable file that all processes of the configuration share; empty for none.
  explicit StartLock(const std::filesystem::path& file);
  ~StartLock();
  StartLock(const StartLock&) = delete;
  StartLock& operator=(const StartLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace mayfly::pkcs11
