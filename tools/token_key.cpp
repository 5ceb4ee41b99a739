#include "tools/token_key.h"

#include "device/pkcs11/mechanism_map.h"
#include "device/pkcs11/sign_call.h"

namespace mayfly::tools {
namespace {

constexpr std::size_t kMaxAttribute = 4096;

}  // namespace

Bytes read_attribute(const pkcs11::VendorModule& module, const TokenSession& session,
                     CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  Bytes value(kMaxAttribute);
  CK_ATTRIBUTE attribute{type, value.data(), value.size()};
  const CK_RV rv = module.functions()->C_GetAttributeValue(session.handle(), object, &attribute, 1);
  if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE) return {};
  pkcs11::check(rv, "reading an object of the token");
  if (attribute.ulValueLen > value.size()) return {};
  value.resize(attribute.ulValueLen);
  return value;
}

Bytes sign_on_token(const pkcs11::VendorModule& module, CK_SLOT_ID slot,
                    const TokenSession& session, CK_OBJECT_HANDLE key, const KeySpec& spec,
                    const SignatureScheme& scheme, ByteView message) {
  const pkcs11::MechanismMap mechanisms(module.functions(), slot);
  const pkcs11::SignPlan& plan = mechanisms.plan(scheme.scheme, scheme.hash);
  const bool hashed = plan.input == SignInput::digest && scheme.hash != Hash::none;
  const Bytes input = hashed ? digest(scheme.hash, message) : to_bytes(message);
  pkcs11::SignCall call(mechanisms, spec, {scheme, input});
  Bytes signature(kMaxSignatureSize);
  CK_ULONG size = signature.size();
  pkcs11::check(call.run(module.functions(), session.handle(), key, signature, size),
                "signing on the token");
  signature.resize(std::min<std::size_t>(size, signature.size()));
  return signature;
}

}  // namespace mayfly::tools
