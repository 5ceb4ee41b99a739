#include "credential/attestation/certificate_chain.h"

#include <memory>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/crypto_context.h"
#include "credential/attestation/refused.h"
#include "credential/x509/libcrypto_x509.h"
#include "credential/x509/pem.h"

namespace mayfly::attestation {
namespace {

constexpr char kCheck[] = "chain";
constexpr char kAttestationKeyUsage[] = "2.23.133.8.3";
constexpr int kSecurityLevel = 2;  // 112 bits: no SHA-1, no RSA under 2048

void free_certificates(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }

using crypto::Owned;
using x509::Bio;
using x509::Certificate;
using x509::ErrorsKept;
using x509::read_certificate;
using x509::reader_of;
using x509::required;
using Certificates = Owned<STACK_OF(X509), free_certificates>;
using Store = Owned<X509_STORE, X509_STORE_free>;
using StoreContext = Owned<X509_STORE_CTX, X509_STORE_CTX_free>;
using Usages = Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;

/// A PEM text that holds exactly one certificate.
Certificate only_certificate(const std::string& pem) {
  const Bio bio = reader_of(pem);
  Certificate certificate = read_certificate(bio.get());
  if (certificate == nullptr || read_certificate(bio.get()) != nullptr) {
    throw Refused(kCheck, "a member of the chain is not one PEM certificate");
  }
  return certificate;
}

Store read_roots(const std::string& pem) {
  Store store(required(X509_STORE_new()));
  const Bio bio = reader_of(pem);
  std::size_t count = 0;
  while (const Certificate root = read_certificate(bio.get())) {
    if (X509_STORE_add_cert(store.get(), root.get()) != 1) {
      throw crypto::failure(CKR_HOST_MEMORY, "keeping a root certificate");
    }
    ++count;
  }
  if (count == 0) throw Error(CKR_ARGUMENTS_BAD, "the file of roots holds no PEM certificate");
  return store;
}

Bytes key_info(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) throw Refused(kCheck, "a certificate holds no key that can be read");
  const Bytes result(der, der + size);
  OPENSSL_free(der);
  return result;
}

bool is_for_attestation_keys(X509* certificate) {
  const Usages usages(static_cast<EXTENDED_KEY_USAGE*>(
      X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
  for (int i = 0; usages != nullptr && i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
    char name[64] = {};
    OBJ_obj2txt(name, sizeof name, sk_ASN1_OBJECT_value(usages.get(), i), 1);
    if (std::string_view(name) == kAttestationKeyUsage) return true;
  }
  return false;
}

void check_path(X509* leaf, STACK_OF(X509) * others, X509_STORE* store, std::uint64_t at_unix_s) {
  const StoreContext context(required(X509_STORE_CTX_new_ex(crypto::context(), nullptr)));
  if (X509_STORE_CTX_init(context.get(), store, leaf, others) != 1) {
    throw crypto::failure(CKR_HOST_MEMORY, "starting to check a certificate");
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, static_cast<time_t>(at_unix_s));
  X509_VERIFY_PARAM_set_auth_level(parameters, kSecurityLevel);
  if (X509_verify_cert(context.get()) != 1) {
    const int reason = X509_STORE_CTX_get_error(context.get());
    throw Refused(kCheck, std::string("does not lead to a root that is trusted: ") +
                              X509_verify_cert_error_string(reason));
  }
}

}  // namespace

void check_certificate_chain(const std::vector<std::string>& certificates, const PublicKey& key,
                             const std::string& roots, std::uint64_t at_unix_s) {
  const ErrorsKept kept;
  const Store store = read_roots(roots);
  if (certificates.empty()) {
    throw Refused(kCheck,
                  "the evidence brings no certificate of its attestation key; enrol the key "
                  "instead");
  }
  const Certificate leaf = only_certificate(certificates.front());
  if (key_info(leaf.get()) != key.subject_public_key_info()) {
    throw Refused(kCheck, "the first certificate is of another key");
  }
  if (!is_for_attestation_keys(leaf.get())) {
    throw Refused(kCheck, "the first certificate is not for attestation keys (2.23.133.8.3)");
  }
  const Certificates others(required(sk_X509_new_null()));
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    Certificate other = only_certificate(certificates[i]);
    if (sk_X509_push(others.get(), other.get()) == 0) throw Error(CKR_HOST_MEMORY, "no memory");
    static_cast<void>(other.release());
  }
  check_path(leaf.get(), others.get(), store.get(), at_unix_s);
}

Bytes certified_key(const std::string& certificate) {
  const ErrorsKept kept;
  return key_info(only_certificate(certificate).get());
}

Bytes public_key_info_from_pem(const std::string& pem) {
  const ErrorsKept kept;
  const Bio bio = reader_of(pem);
  const x509::EvpKey key(
      PEM_read_bio_PUBKEY_ex(bio.get(), nullptr, nullptr, nullptr, crypto::context(), nullptr));
  unsigned char* der = nullptr;
  const int size = key == nullptr ? 0 : i2d_PUBKEY(key.get(), &der);
  if (size <= 0) throw Error(CKR_ARGUMENTS_BAD, "the file holds no PEM public key");
  const Bytes result(der, der + size);
  OPENSSL_free(der);
  return result;
}

std::string public_key_pem(ByteView key_info) { return x509::to_pem("PUBLIC KEY", key_info); }

std::string certificate_pem(ByteView der) {
  const ErrorsKept kept;
  if (x509::certificate_of_der(der) == nullptr) {
    throw Refused(kCheck, "the TPM holds something that is no certificate");
  }
  return x509::to_pem("CERTIFICATE", der);
}

}  // namespace mayfly::attestation
