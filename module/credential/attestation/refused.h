// Why evidence was not believed.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json_reader.h"

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

/// Runs a reader of JSON.
/// @throws Refused "format" for what is not as it should be.
template <typename Reader>
auto read_format(const Reader& reader) {
  try {
    return reader();
  } catch (const JsonError& error) {
    throw Refused("format", error.what());
  }
}

}  // namespace mayfly::attestation
