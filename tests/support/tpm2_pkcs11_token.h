// A token of tpm2-pkcs11 on a TPM of a test's own.
#pragma once

#include <functional>

#include "support/environment.h"
#include "support/swtpm.h"

namespace mayfly::test {

/// Runs something in a process of its own. tpm2-pkcs11 keeps keys loaded in the TPM's few slots
/// until its process ends.
/// @return its wait status; what it throws is printed, and makes it exit with 1
int in_process_of_its_own(const std::function<void()>& action);

/// A token of tpm2-pkcs11, and the environment by which its library finds it, as long as this
/// lives.
class Tpm2Pkcs11Token {
 public:
  static constexpr char kLabel[] = "mayfly-test";
  static constexpr char kPin[] = "12345678";

  /// @throws std::runtime_error when the library can't make one.
  explicit Tpm2Pkcs11Token(const Swtpm& tpm);

  /// The library's path.
  [[nodiscard]] static const char* module_path() noexcept;

  /// Tells the library another way to the same TPM.
  void reach_by(const std::string& tcti);

 private:
  TempFolder folder_;
  ScopedVariable tcti_;
  ScopedVariable store_;
  ScopedVariable backend_;
  ScopedVariable quiet_;
};

}  // namespace mayfly::test
