// The mechanisms that mayfly signs with, as the standard describes them.
#pragma once

#include <optional>
#include <vector>

#include "base/pkcs11.h"
#include "conformance/independent_check.h"
#include "conformance/key_kinds.h"

namespace mayfly::test {

struct SigningMechanism {
  CK_MECHANISM_TYPE type;
  const char* name;
  CK_KEY_TYPE key_type;
  SignatureForm form;
  bool multi_part;
  std::optional<CK_RSA_PKCS_PSS_PARAMS> pss;  ///< the parameter, for PSS

  /// The mechanism with its parameter; valid as long as this lives.
  [[nodiscard]] CK_MECHANISM choice() const;
  /// Whether it signs what it is given, and does not hash first.
  [[nodiscard]] bool is_raw() const noexcept { return form.hash == nullptr; }
  /// What it is given to sign a message: the message, a digest or a DigestInfo.
  [[nodiscard]] Bytes input_for(const Bytes& message) const;
};

/// All of them; those with PSS stand there with a salt of the digest's size.
[[nodiscard]] const std::vector<SigningMechanism>& signing_mechanisms();
[[nodiscard]] const SigningMechanism& signing_mechanism(CK_MECHANISM_TYPE type);

}  // namespace mayfly::test
