#include "conformance/independent_check.h"

#include <openssl/asn1.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace mayfly::test {
namespace {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* pointer) const noexcept {
    kFree(pointer);
  }
};
template <typename T, auto kFree>
using Owned = std::unique_ptr<T, Free<kFree>>;

using Builder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using Number = Owned<BIGNUM, BN_free>;

EvpKey build_key(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return EvpKey(key);
}

/// What stands inside of a DER OCTET STRING that has nothing behind it.
std::optional<Bytes> octet_string(const Bytes& der) {
  const unsigned char* at = der.data();
  const Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> decoded(
      d2i_ASN1_OCTET_STRING(nullptr, &at, static_cast<long>(der.size())));
  if (decoded == nullptr || at != der.data() + der.size()) return std::nullopt;
  const unsigned char* data = ASN1_STRING_get0_data(decoded.get());
  return Bytes(data, data + ASN1_STRING_length(decoded.get()));
}

const char* curve_name(const Bytes& params) {
  const unsigned char* at = params.data();
  const Owned<ASN1_OBJECT, ASN1_OBJECT_free> oid(
      d2i_ASN1_OBJECT(nullptr, &at, static_cast<long>(params.size())));
  return oid == nullptr ? nullptr : OBJ_nid2sn(OBJ_obj2nid(oid.get()));
}

/// r‖s as the DER that OpenSSL wants.
Bytes ecdsa_der(const Bytes& signature) {
  const auto half = static_cast<int>(signature.size() / 2);
  const Owned<ECDSA_SIG, ECDSA_SIG_free> pair(ECDSA_SIG_new());
  ECDSA_SIG_set0(pair.get(), BN_bin2bn(signature.data(), half, nullptr),
                 BN_bin2bn(signature.data() + half, half, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return {};
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

bool set_padding(EVP_PKEY_CTX* context, const SignatureForm& form) {
  if (form.scheme == SignatureForm::Scheme::rsa_pkcs1) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
  }
  if (form.scheme != SignatureForm::Scheme::rsa_pss) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md_name(context, form.pss_hash, nullptr) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, form.salt_size) == 1;
}

bool verify_message(EVP_PKEY* key, const SignatureForm& form, const Bytes& message,
                    const Bytes& signature) {
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;
  return EVP_DigestVerifyInit_ex(context.get(), &key_context, form.hash, nullptr, nullptr, key,
                                 nullptr) == 1 &&
         set_padding(key_context, form) &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

bool verify_raw(EVP_PKEY* key, const SignatureForm& form, const Bytes& input,
                const Bytes& signature) {
  const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (EVP_PKEY_verify_init(context.get()) != 1 || !set_padding(context.get(), form)) return false;
  if (form.pss_hash != nullptr &&
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_get_digestbyname(form.pss_hash)) != 1) {
    return false;
  }
  return EVP_PKEY_verify(context.get(), signature.data(), signature.size(), input.data(),
                         input.size()) == 1;
}

}  // namespace

EvpKey ec_public_key(CK_KEY_TYPE type, const Bytes& params, const Bytes& point) {
  const auto bare = octet_string(point);
  if (!bare) return nullptr;
  if (type == CKK_EC_EDWARDS) {
    return EvpKey(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bare->data(), bare->size()));
  }
  const char* curve = curve_name(params);
  if (curve == nullptr) return nullptr;
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, bare->data(),
                                   bare->size());
  return build_key("EC", builder.get());
}

EvpKey rsa_public_key(const Bytes& modulus, const Bytes& exponent) {
  const Number n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
  const Number e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return build_key("RSA", builder.get());
}

Bytes public_key_info(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return {};
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

bool is_signature(EVP_PKEY* key, const SignatureForm& form, const Bytes& input,
                  const Bytes& signature) {
  if (key == nullptr || signature.empty()) return false;
  const Bytes wanted =
      form.scheme == SignatureForm::Scheme::ecdsa ? ecdsa_der(signature) : signature;
  const bool whole = form.hash != nullptr || form.scheme == SignatureForm::Scheme::eddsa;
  return whole ? verify_message(key, form, input, wanted) : verify_raw(key, form, input, wanted);
}

Bytes openssl_digest(const char* hash, const Bytes& data) {
  Bytes digest(EVP_MAX_MD_SIZE);
  std::size_t size = digest.size();
  if (EVP_Q_digest(nullptr, hash, nullptr, data.data(), data.size(), digest.data(), &size) != 1) {
    return {};
  }
  digest.resize(size);
  return digest;
}

Bytes digest_info_sha256(const Bytes& data) {
  Bytes info = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
  const Bytes digest = openssl_digest("SHA256", data);
  info.insert(info.end(), digest.begin(), digest.end());
  return info;
}

}  // namespace mayfly::test
