#include "tools/test_key.h"

#include <chrono>

#include "base/error.h"
#include "base/mechanism.h"

namespace mayfly::tools {

std::string key_kinds_of(const Device& device) {
  std::string list;
  for (const KeySpec& spec : known_key_specs()) {
    if (device.supports(spec)) list += (list.empty() ? "" : ", ") + to_string(spec);
  }
  if (!list.empty() && device.sign_input(Scheme::rsa_pss, Hash::sha256) != SignInput::unsupported) {
    list += ", RSA-PSS";
  }
  return list;
}

std::optional<KeySpec> test_key_spec(const Device& device) {
  for (const KeySpec& spec : {KeySpec{CKK_EC, 256}, KeySpec{CKK_EC, 384}, KeySpec{CKK_RSA, 2048}}) {
    if (device.supports(spec)) return spec;
  }
  return std::nullopt;
}

void use_test_key(Device& device, const KeySpec& spec) {
  const auto scope = device.open_scope(
      {"mayfly doctor", "0000000000000000", BootClock::now() + std::chrono::minutes(1)});
  const auto key = scope->generate(spec);
  const SignatureScheme scheme{spec.type == CKK_EC ? Scheme::ecdsa : Scheme::rsa_pkcs1,
                               Hash::sha256, Hash::none, 0};
  const ByteView message = as_bytes("mayfly doctor");
  const Bytes hashed = digest(Hash::sha256, message);
  const bool whole = device.sign_input(scheme.scheme, scheme.hash) == SignInput::message;
  Bytes signature(key->public_key().signature_size());
  signature.resize(key->sign({scheme, whole ? message : ByteView(hashed)}, signature));
  const bool good = key->public_key().verify(scheme, hashed, signature);
  const Destruction end = key->destroy();
  if (!good) throw Error(CKR_DEVICE_ERROR, "the device's signature does not verify");
  if (end != Destruction::destroyed) {
    throw Error(CKR_DEVICE_ERROR, "the device did not confirm that the key is gone");
  }
}

}  // namespace mayfly::tools
