// The one kind of failure that travels inside mayfly.
#pragma once

#include <stdexcept>
#include <string>

#include "base/pkcs11.h"

namespace mayfly {

/// A refusal or a fault: the return value that the PKCS#11 caller gets, and a sentence for people.
///
/// Thrown below the C boundary and turned into a CK_RV by api::call(), which also logs the message.
/// The message says what failed, on what and why, in one line; it never holds a secret.
class Error : public std::runtime_error {
 public:
  Error(CK_RV rv, const std::string& message) : std::runtime_error(message), rv_(rv) {}

  [[nodiscard]] CK_RV rv() const noexcept { return rv_; }

 private:
  CK_RV rv_;
};

}  // namespace mayfly
