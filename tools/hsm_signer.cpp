#include "tools/hsm_signer.h"

#include <utility>
#include <vector>

#include "base/error.h"
#include "device/pkcs11/token_objects.h"
#include "tools/token_key.h"

namespace mayfly::tools {
namespace {

CK_ATTRIBUTE wanted(CK_ATTRIBUTE_TYPE type, std::string& value) {
  return {type, value.data(), value.size()};
}

}  // namespace

HsmSigner::HsmSigner(const std::string& module, const std::string& uri, const std::string& whose,
                     std::optional<SecretBuffer> pin)
    : module_(module), uri_text_(uri), uri_(uri, pkcs11::p11kit::UriOf::key) {
  if (!uri_.complaint().empty()) {
    throw Error(CKR_ARGUMENTS_BAD, whose + " is no PKCS#11 URI of a key: " + uri_.complaint() +
                                       "; write it as 'pkcs11:token=LABEL;object=NAME'");
  }
  module_.initialize();
  slot_ = pkcs11::find_token(module_, uri_, uri, whose).slot;
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
    return read_attribute(module_, *session_, object, type);
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
    throw Error(CKR_USER_NOT_LOGGED_IN, "a key on a token signs after a login only");
  }
  return sign_on_token(module_, slot_, *session_, private_key_, public_key().spec(), scheme,
                       message);
}

}  // namespace mayfly::tools
