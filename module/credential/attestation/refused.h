// Why evidence was not believed.
#pragma once

#include <string>

#include "base/error.h"

namespace mayfly::attestation {

/// Evidence failed a check. Its value for PKCS#11 is CKR_SIGNATURE_INVALID.
class Refused : public Error {
 public:
  /// @param check  The check's name, one of docs/attestation.md: "nonce", "key attributes".
  Refused(const std::string& check, const std::string& reason)
      : Error(CKR_SIGNATURE_INVALID, check + ": " + reason), check_(check) {}

  [[nodiscard]] const std::string& check() const noexcept { return check_; }

 private:
  std::string check_;
};

}  // namespace mayfly::attestation
