// The vendor's PKCS#11 library: loading, initialising, finalising.
#pragma once

#include <string>

#include "base/pkcs11.h"

namespace mayfly::pkcs11 {

/// A return value for people: "The device was removed or unplugged (0x32)".
[[nodiscard]] std::string describe(CK_RV rv);

/// Throws what the device answered, unless it is CKR_OK.
/// @param what  What was tried: "opening a session on the device".
void check(CK_RV rv, const char* what);

/// A vendor's library in this process, shared with whoever else uses it through p11-kit: each has
/// its own sessions, and the library is finalised when the last of them has done so.
///
/// The destructor gives nothing back, so that a forked child or an exiting process leaves the
/// device alone; close() does that.
class VendorModule {
 public:
  /// Loads the library.
  /// @throws Error CKR_GENERAL_ERROR when it can't be loaded or is no PKCS#11 module.
  explicit VendorModule(std::string path);

  /// C_Initialize, with the operating system's locks.
  /// @throws Error what the library answered.
  void initialize();

  /// C_Finalize if initialised, then gives the library back, which stays in memory. Idempotent.
  void close() noexcept;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] CK_FUNCTION_LIST_PTR functions() const noexcept { return functions_; }

 private:
  std::string path_;
  CK_FUNCTION_LIST_PTR functions_;
  bool initialized_ = false;
};

}  // namespace mayfly::pkcs11
