#include "credential/x509/issuer_certificate.h"

#include <ctime>

#include <openssl/x509v3.h>

#include "base/task_binding.h"
#include "credential/spiffe_id.h"
#include "credential/x509/certificate_parts.h"
#include "credential/x509/pem.h"

namespace mayfly::x509 {
namespace {

std::uint64_t unix_s_of(const ASN1_TIME* time) {
  std::tm parts{};
  const std::time_t moment = ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : -1;
  if (moment < 0) throw Error(CKR_ARGUMENTS_BAD, "the issuer's certificate has no good dates");
  return static_cast<std::uint64_t>(moment);
}

}  // namespace

Bytes make_issuer_certificate(const std::string& trust_domain, Signer& issuer,
                              std::uint64_t not_before_unix_s, std::uint64_t not_after_unix_s) {
  const ErrorsKept kept;
  const std::string uri = credential::spiffe_id(trust_domain);
  const PublicKey& key = issuer.public_key();
  const Certificate certificate = new_certificate(key, not_before_unix_s, not_after_unix_s);
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  set_subject(*name, "mayfly issuer of " + trust_domain, "");
  if (X509_set_issuer_name(certificate.get(), name) != 1) {
    throw Error(CKR_HOST_MEMORY, "no memory for a certificate");
  }
  add_basic_constraints(*certificate, true);
  add_key_usage(*certificate, {kKeyCertSign, kCrlSign});
  add_uri(*certificate, uri);
  add_subject_key_id(*certificate, key);
  add_authority_key_id(*certificate, thumbprint(key));
  return sign_certificate(*certificate, issuer);
}

IssuerCertificate IssuerCertificate::parse(const std::string& pem, const PublicKey& key) {
  const ErrorsKept kept;
  IssuerCertificate result;
  result.der = certificate_of_pem(pem);
  const Certificate certificate = certificate_of_der(result.der);
  if (certificate == nullptr) throw Error(CKR_ARGUMENTS_BAD, "it is no certificate");
  const Bytes info = der_of([&](unsigned char** der) {
    return i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), der);
  });
  if (info != key.subject_public_key_info()) {
    throw Error(CKR_ARGUMENTS_BAD, "the issuer's certificate is of another key");
  }
  // 1: a CA by its basic constraints, not by what was usual before there were any.
  if (X509_check_ca(certificate.get()) != 1 ||
      (X509_get_key_usage(certificate.get()) & KU_KEY_CERT_SIGN) == 0) {
    throw Error(CKR_ARGUMENTS_BAD, "the issuer's certificate is none of a CA");
  }
  const ASN1_OCTET_STRING* const key_id = X509_get0_subject_key_id(certificate.get());
  if (key_id == nullptr) {
    throw Error(CKR_ARGUMENTS_BAD, "the issuer's certificate has no subject key identifier");
  }
  result.key_id = to_bytes({key_id->data, static_cast<std::size_t>(key_id->length)});
  result.not_before_unix_s = unix_s_of(X509_get0_notBefore(certificate.get()));
  result.not_after_unix_s = unix_s_of(X509_get0_notAfter(certificate.get()));
  return result;
}

}  // namespace mayfly::x509
