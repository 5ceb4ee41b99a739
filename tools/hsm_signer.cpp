#include "tools/hsm_signer.h"

#include <array>
#include <utility>
#include <vector>

#include "device/pkcs11/mechanism_map.h"
#include "device/pkcs11/sign_call.h"
#include "device/pkcs11/token_objects.h"

namespace mayfly::tools {
namespace {

constexpr std::size_t kMaxAttribute = 1024;  // a modulus of 8192 bits

/// One attribute of an object; empty if the object has none.
Bytes read_attribute(const pkcs11::VendorModule& module, CK_SESSION_HANDLE session,
                     CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  Bytes value(kMaxAttribute);
  CK_ATTRIBUTE attribute{type, value.data(), value.size()};
  const CK_RV rv = module.functions()->C_GetAttributeValue(session, object, &attribute, 1);
  if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE) return {};
  pkcs11::check(rv, "reading the approver's public key");
  if (attribute.ulValueLen > value.size()) return {};
  value.resize(attribute.ulValueLen);
  return value;
}

CK_ATTRIBUTE wanted(CK_ATTRIBUTE_TYPE type, std::string& value) {
  return {type, value.data(), value.size()};
}

}  // namespace

HsmSigner::HsmSigner(const std::string& module, const std::string& uri,
                     std::optional<SecretBuffer> pin)
    : module_(module), uri_text_(uri), uri_(uri, pkcs11::p11kit::UriOf::key) {
  if (!uri_.complaint().empty()) {
    throw Error(CKR_ARGUMENTS_BAD,
                "the approver's key is no PKCS#11 URI of a key: " + uri_.complaint() +
                    "; write it as 'pkcs11:token=LABEL;object=NAME'");
  }
  module_.initialize();
  slot_ = pkcs11::find_token(module_, uri_, uri, "the approver's key").slot;
  session_ = std::make_unique<TokenSession>(module_, slot_, 0);
  if (pin) {
    session_->log_in(CKU_USER, *pin);
    private_key_ = find_one(CKO_PRIVATE_KEY);
  }
  public_key_ = read_public_key(find_one(CKO_PUBLIC_KEY));
}

HsmSigner::~HsmSigner() {
  session_.reset();
  module_.close();
}

CK_OBJECT_HANDLE HsmSigner::find_one(CK_OBJECT_CLASS object_class) {
  std::string label = uri_.object_label().value_or("");
  std::string id = uri_.object_id().value_or("");
  std::vector<CK_ATTRIBUTE> attributes = {{CKA_CLASS, &object_class, sizeof object_class}};
  if (!label.empty()) attributes.push_back(wanted(CKA_LABEL, label));
  if (!id.empty()) attributes.push_back(wanted(CKA_ID, id));
  const auto found =
      pkcs11::find_objects(module_.functions(), session_->handle(), std::move(attributes));
  if (found.size() == 1) return found.front();
  const std::string what = object_class == CKO_PRIVATE_KEY ? "private" : "public";
  throw Error(CKR_KEY_HANDLE_INVALID,
              uri_text_ + " names " + (found.empty() ? "no " : "more than one ") + what +
                  " key of its token; say which by object= or id=, as `p11tool --list-all` shows "
                  "them");
}

PublicKey HsmSigner::read_public_key(CK_OBJECT_HANDLE object) const {
  const auto read = [&](CK_ATTRIBUTE_TYPE type) {
    return read_attribute(module_, session_->handle(), object, type);
  };
  const Bytes modulus = read(CKA_MODULUS);
  if (!modulus.empty()) return PublicKey::from_rsa(modulus, read(CKA_PUBLIC_EXPONENT));
  const auto spec = spec_of_ec_params(read(CKA_EC_PARAMS));
  const auto point = spec ? decode_ec_point(*spec, read(CKA_EC_POINT)) : std::nullopt;
  if (!point) {
    throw Error(CKR_KEY_TYPE_INCONSISTENT, uri_text_ + " is no key of a kind that is known here");
  }
  return PublicKey::from_point(*spec, *point);
}

Bytes HsmSigner::sign(const SignatureScheme& scheme, ByteView message) {
  if (private_key_ == CK_INVALID_HANDLE) {
    throw Error(CKR_USER_NOT_LOGGED_IN, "the approver's key signs after a login only");
  }
  const pkcs11::MechanismMap mechanisms(module_.functions(), slot_);
  const pkcs11::SignPlan& plan = mechanisms.plan(scheme.scheme, scheme.hash);
  const bool hashed = plan.input == SignInput::digest && scheme.hash != Hash::none;
  const Bytes input = hashed ? digest(scheme.hash, message) : to_bytes(message);
  pkcs11::SignCall call(mechanisms, public_key().spec(), {scheme, input});
  Bytes signature(kMaxSignatureSize);
  CK_ULONG size = signature.size();
  pkcs11::check(call.run(module_.functions(), session_->handle(), private_key_, signature, size),
                "signing with the approver's key");
  signature.resize(std::min<std::size_t>(size, signature.size()));
  return signature;
}

}  // namespace mayfly::tools
