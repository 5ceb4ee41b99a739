#include "credential/x509/task_certificate.h"

#include <openssl/x509v3.h>

#include "credential/spiffe_id.h"
#include "credential/x509/certificate_parts.h"

namespace mayfly::x509 {
namespace {

void check_times(const TaskCertificate& wanted, const IssuerCertificate& issuer) {
  if (wanted.not_after_unix_s < wanted.not_before_unix_s) {
    throw Error(CKR_ARGUMENTS_BAD, "the certificate would never be valid");
  }
  if (wanted.not_before_unix_s < issuer.not_before_unix_s ||
      wanted.not_after_unix_s > issuer.not_after_unix_s) {
    throw Error(CKR_ARGUMENTS_BAD,
                "the certificate would be valid when its issuer's is not; make the issuer a new "
                "certificate");
  }
}

}  // namespace

Bytes make_task_certificate(const TaskCertificate& wanted, const PublicKey& key,
                            const IssuerCertificate& issuer, Signer& issuer_key) {
  const ErrorsKept kept;
  check_times(wanted, issuer);
  const std::string uri = credential::spiffe_id(wanted.trust_domain, wanted.task_id, wanted.serial);
  const Certificate certificate =
      new_certificate(key, wanted.not_before_unix_s, wanted.not_after_unix_s);
  set_subject(*X509_get_subject_name(certificate.get()), wanted.task_id, wanted.serial);
  const Certificate above = certificate_of_der(issuer.der);
  if (above == nullptr ||
      X509_set_issuer_name(certificate.get(), X509_get_subject_name(above.get())) != 1) {
    throw Error(CKR_HOST_MEMORY, "no memory for a certificate");
  }
  add_basic_constraints(*certificate, false);
  add_key_usage(*certificate, {kDigitalSignature});
  std::vector<int> usages = {NID_client_auth};
  if (wanted.server) usages.push_back(NID_server_auth);
  add_extended_key_usage(*certificate, usages);
  add_uri(*certificate, uri);
  add_subject_key_id(*certificate, key);
  add_authority_key_id(*certificate, issuer.key_id);
  return sign_certificate(*certificate, issuer_key);
}

}  // namespace mayfly::x509
