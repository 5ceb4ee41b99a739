#include <openssl/x509v3.h>

#include "base/crypto_context.h"
#include "credential/spiffe_id.h"
#include "credential/x509/certificate_parts.h"
#include "credential/x509/signing.h"
#include "credential/x509/task_certificate.h"

namespace mayfly::x509 {
namespace {

using Algorithm = crypto::Owned<X509_ALGOR, X509_ALGOR_free>;
using Signature = crypto::Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;

void free_extensions(X509_EXTENSIONS* extensions) {
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}
using Extensions = crypto::Owned<X509_EXTENSIONS, free_extensions>;

void check_step(int result) {
  if (result != 1) throw crypto::failure(CKR_FUNCTION_FAILED, "making a certification request");
}

void add_names(X509_REQ& request, const std::string& uri) {
  X509_EXTENSION* const names =
      required(X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("URI:" + uri).c_str()));
  const Extensions extensions(required(sk_X509_EXTENSION_new_null()));
  if (sk_X509_EXTENSION_push(extensions.get(), names) == 0) {
    X509_EXTENSION_free(names);
    throw Error(CKR_HOST_MEMORY, "no memory for a certification request");
  }
  check_step(X509_REQ_add_extensions(&request, extensions.get()));
}

}  // namespace

Bytes make_request(const std::string& trust_domain, const std::string& task_id,
                   const std::string& serial, Signer& key) {
  const ErrorsKept kept;
  const std::string uri = credential::spiffe_id(trust_domain, task_id, serial);
  const Request request(required(X509_REQ_new_ex(crypto::context(), nullptr)));
  check_step(X509_REQ_set_version(request.get(), X509_REQ_VERSION_1));
  set_subject(*X509_REQ_get_subject_name(request.get()), task_id, serial);
  check_step(X509_REQ_set_pubkey(request.get(), evp_key(key.public_key()).get()));
  add_names(*request, uri);
  const Algorithm algorithm(required(X509_ALGOR_new()));
  set_algorithm(*algorithm, key.public_key().spec());
  check_step(X509_REQ_set1_signature_algo(request.get(), algorithm.get()));
  const Bytes to_be_signed =
      der_of([&](unsigned char** der) { return i2d_re_X509_REQ_tbs(request.get(), der); });
  Signature signature(required(ASN1_BIT_STRING_new()));
  set_bits(*signature, signature_value(key, to_be_signed));
  X509_REQ_set0_signature(request.get(), signature.release());
  return der_of([&](unsigned char** der) { return i2d_X509_REQ(request.get(), der); });
}

}  // namespace mayfly::x509
