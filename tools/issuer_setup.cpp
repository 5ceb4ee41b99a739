#include "tools/issuer_setup.h"

#include <array>
#include <vector>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "base/crypto_context.h"
#include "base/libcrypto_owned.h"
#include "base/random.h"
#include "credential/x509/issuer_certificate.h"
#include "credential/x509/pem.h"
#include "device/pkcs11/key_generation.h"
#include "device/pkcs11/token_objects.h"
#include "device/pkcs11/token_search.h"
#include "tools/long_term_key.h"
#include "tools/token_key.h"
#include "tools/token_session.h"

namespace mayfly::tools {
namespace {

constexpr std::size_t kIdSize = 16;
constexpr std::uint64_t kSkew_s = 60;  // clocks that differ

CK_BBOOL kYes = CK_TRUE;
CK_BBOOL kNo = CK_FALSE;

CK_ATTRIBUTE flag(CK_ATTRIBUTE_TYPE type, CK_BBOOL& value) { return {type, &value, sizeof value}; }

// PKCS#11's structures predate const; templates are only read.
CK_ATTRIBUTE bytes(CK_ATTRIBUTE_TYPE type, ByteView value) {
  return {type, const_cast<std::uint8_t*>(value.data()), value.size()};
}

std::vector<CK_OBJECT_HANDLE> private_keys(const pkcs11::VendorModule& module,
                                           const TokenSession& session, const std::string& label) {
  CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
  return pkcs11::find_objects(
      module.functions(), session.handle(),
      {{CKA_CLASS, &object_class, sizeof object_class}, bytes(CKA_LABEL, as_bytes(label))});
}

CK_OBJECT_HANDLE generate(const pkcs11::VendorModule& module, const TokenSession& session,
                          const std::string& label, const KeySpec& spec) {
  std::array<std::uint8_t, kIdSize> id{};
  fill_random(id, "the issuer's CKA_ID");
  CK_ULONG modulus_bits = spec.bits;
  std::vector<CK_ATTRIBUTE> public_half = {flag(CKA_TOKEN, kYes), flag(CKA_VERIFY, kYes),
                                           bytes(CKA_LABEL, as_bytes(label)), bytes(CKA_ID, id)};
  if (spec.type == CKK_RSA) {
    public_half.push_back({CKA_MODULUS_BITS, &modulus_bits, sizeof modulus_bits});
    public_half.push_back(bytes(CKA_PUBLIC_EXPONENT, pkcs11::kPublicExponent));
  } else {
    public_half.push_back(bytes(CKA_EC_PARAMS, ec_params(spec)));
  }
  std::vector<CK_ATTRIBUTE> private_half = {
      flag(CKA_TOKEN, kYes),     flag(CKA_PRIVATE, kYes),
      flag(CKA_SENSITIVE, kYes), flag(CKA_EXTRACTABLE, kNo),
      flag(CKA_SIGN, kYes),      flag(CKA_DECRYPT, kNo),
      flag(CKA_UNWRAP, kNo),     flag(CKA_SIGN_RECOVER, kNo),
      flag(CKA_DERIVE, kNo),     bytes(CKA_LABEL, as_bytes(label)),
      bytes(CKA_ID, id)};
  CK_MECHANISM mechanism = {pkcs11::generation_mechanism(spec.type).value(), nullptr, 0};
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  pkcs11::check(module.functions()->C_GenerateKeyPair(
                    session.handle(), &mechanism, public_half.data(), public_half.size(),
                    private_half.data(), private_half.size(), &public_key, &private_key),
                "making the issuer's key");
  return private_key;
}

/// The token's own word for it, not the template's.
void check_stays(const pkcs11::VendorModule& module, const TokenSession& session,
                 CK_OBJECT_HANDLE key) {
  const auto is = [&](CK_ATTRIBUTE_TYPE type, CK_BBOOL wanted) {
    return read_attribute(module, session, key, type) == Bytes{wanted};
  };
  if (is(CKA_SENSITIVE, CK_TRUE) && is(CKA_EXTRACTABLE, CK_FALSE)) return;
  throw Error(CKR_DEVICE_ERROR, "the token says that the issuer's key may leave it");
}

using EvpKey = crypto::Owned<EVP_PKEY, EVP_PKEY_free>;
using Bio = crypto::Owned<BIO, BIO_free>;

EVP_PKEY* new_key(const KeySpec& spec) {
  if (spec.type == CKK_RSA) {
    return EVP_PKEY_Q_keygen(crypto::context(), nullptr, "RSA",
                             static_cast<std::size_t>(spec.bits));
  }
  if (spec.type == CKK_EC_EDWARDS) {
    return EVP_PKEY_Q_keygen(crypto::context(), nullptr, "ED25519");
  }
  return EVP_PKEY_Q_keygen(crypto::context(), nullptr, "EC",
                           ("P-" + std::to_string(spec.bits)).c_str());
}

}  // namespace

bool make_issuer_key(const std::string& module, const std::string& token, SecretBuffer& pin,
                     const std::string& label, const KeySpec& spec, const Config& config) {
  pkcs11::VendorModule library(module);
  library.initialize();
  bool made = false;
  try {
    const CK_SLOT_ID slot = pkcs11::find_token(library, token).slot;
    check_apart(library, slot, "issuer.token", config);
    TokenSession session(library, slot, CKF_RW_SESSION);
    session.log_in(CKU_USER, pin);
    std::vector<CK_OBJECT_HANDLE> found = private_keys(library, session, label);
    if (found.empty()) {
      found.push_back(generate(library, session, label, spec));
      made = true;
    }
    check_stays(library, session, found.front());
  } catch (...) {
    library.close();
    throw;
  }
  library.close();
  return made;
}

std::string key_uri(const std::string& token, const std::string& label) {
  std::string uri = token + ";object=";
  for (const char c : label) {
    const auto byte = static_cast<std::uint8_t>(c);
    uri += "%" + to_hex(ByteView(&byte, 1));
  }
  return uri;
}

SecretBuffer make_private_pem(const KeySpec& spec) {
  const EvpKey key(new_key(spec));
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (key == nullptr || bio == nullptr ||
      PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    throw crypto::failure(CKR_FUNCTION_FAILED, "making the issuer's key");
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return SecretBuffer(as_bytes({text, static_cast<std::size_t>(size)}));
}

std::string self_signed_pem(const std::string& trust_domain, Signer& issuer,
                            std::chrono::seconds life) {
  const std::uint64_t now = unix_now_s();
  return x509::to_pem("CERTIFICATE", x509::make_issuer_certificate(
                                         trust_domain, issuer, now - kSkew_s,
                                         now + static_cast<std::uint64_t>(life.count()) - 1));
}

}  // namespace mayfly::tools
