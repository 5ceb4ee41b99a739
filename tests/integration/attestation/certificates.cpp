#include "integration/attestation/certificates.h"

#include <stdexcept>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "integration/attestation/attesting_tpm.h"

namespace mayfly::test {
namespace {

struct FreeCertificate {
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, FreeCertificate>;

void add_extension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  if (extension == nullptr) throw std::runtime_error("X509V3_EXT_conf_nid");
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

void set_name(X509_NAME* name, const std::string& text) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0);
}

Certificate blank(const std::string& subject, const std::string& issuer, long from, long until) {
  static long serial = 1;
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), static_cast<long>(kMadeAt) + from);
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), static_cast<long>(kMadeAt) + until);
  set_name(X509_get_subject_name(certificate.get()), subject);
  set_name(X509_get_issuer_name(certificate.get()), issuer);
  return certificate;
}

std::string signed_pem(X509* certificate, EVP_PKEY* key) {
  if (X509_sign(certificate, key, EVP_sha256()) == 0) throw std::runtime_error("X509_sign");
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  return pem;
}

}  // namespace

Authority::Authority(const std::string& name, const Authority* issuer, bool is_authority)
    : name_(name), key_(EVP_EC_gen("P-256")) {
  const Certificate certificate =
      blank(name, issuer == nullptr ? name : issuer->name_, -3600, 7200);
  X509_set_pubkey(certificate.get(), key_.get());
  add_extension(certificate.get(), NID_basic_constraints,
                is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  certificate_ = signed_pem(certificate.get(), (issuer == nullptr ? *this : *issuer).key_.get());
}

std::string Authority::certify(ByteView key_info, const Leaf& leaf) const {
  const Certificate certificate =
      blank("attestation key", name_, leaf.valid_from, leaf.valid_until);
  const unsigned char* at = key_info.data();
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &at, static_cast<long>(key_info.size()));
  X509_set_pubkey(certificate.get(), key);
  EVP_PKEY_free(key);
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  if (!leaf.usage.empty()) add_extension(certificate.get(), NID_ext_key_usage, leaf.usage);
  return signed_pem(certificate.get(), key_.get());
}

}  // namespace mayfly::test
