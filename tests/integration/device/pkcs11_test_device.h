// Opening a SoftHSM2 token as a device, in one line.
#pragma once

#include <string_view>

#include <gtest/gtest.h>

#include "base/error.h"
#include "device/pkcs11/pkcs11_device.h"
#include "support/softhsm_token.h"

namespace mayfly::test {

inline constexpr KeySpec kP256 = {CKK_EC, 256};

inline Pkcs11DeviceOptions options_for(const SoftHsmToken& token) {
  Pkcs11DeviceOptions options;
  options.module = SoftHsmToken::module_path();
  options.token = token.uri();
  options.fetch_pin = [&token] { return token.pin(); };
  options.environment = token.environment();
  options.start_lock = token.config_file();
  return options;
}

inline ScopeOwner any_owner() { return {"test", "0123456789abcdef", BootClock::time_point::max()}; }

/// Signs the SHA-256 of a message and verifies the signature.
inline bool signs(DeviceKey& key, std::string_view message = "message") {
  const Bytes hash = digest(Hash::sha256, as_bytes(message));
  const SignatureScheme scheme = {Scheme::ecdsa, Hash::none};
  Bytes signature(key.public_key().signature_size());
  signature.resize(key.sign({scheme, hash}, signature));
  return key.public_key().verify(scheme, hash, signature);
}

/// The return value of the Error that an action throws, CKR_OK if it throws none.
template <typename Action>
CK_RV answer_of(Action&& action, std::string* message = nullptr) {
  try {
    action();
    return CKR_OK;
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
    return error.rv();
  }
}

}  // namespace mayfly::test
