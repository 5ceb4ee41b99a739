#include "credential/verify/verify_certificate.h"

#include <algorithm>
#include <ctime>
#include <vector>

#include <openssl/x509v3.h>

#include "base/crypto_context.h"
#include "base/utf8.h"
#include "credential/verify/checks.h"
#include "credential/x509/libcrypto_x509.h"

namespace mayfly::credential {
namespace {

using x509::required;

constexpr std::size_t kMaxPem = 256 * 1024;
constexpr int kSecurityLevel = 2;  // 112 bits: no SHA-1, no RSA under 2048

void free_names(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }
void free_others(STACK_OF(X509) * stack) { sk_X509_free(stack); }  // they belong to the list

using Names = crypto::Owned<GENERAL_NAMES, free_names>;
using Others = crypto::Owned<STACK_OF(X509), free_others>;
using Store = crypto::Owned<X509_STORE, X509_STORE_free>;
using StoreContext = crypto::Owned<X509_STORE_CTX, X509_STORE_CTX_free>;

[[noreturn]] void refuse(Reason reason, const std::string& detail = {}) {
  throw Refused(Part::credential, reason, detail);
}

std::vector<x509::Certificate> read_certificates(const std::string& pem) {
  std::vector<x509::Certificate> list;
  const x509::Bio bio = x509::reader_of(pem);
  while (x509::Certificate next = x509::read_certificate(bio.get()))
    list.push_back(std::move(next));
  return list;
}

/// Seconds since 1970; of a year before that, 0.
std::uint64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) refuse(Reason::malformed, "it has a time that is none");
  const std::time_t seconds = timegm(&parts);
  return seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds);
}

PublicKey key_of(X509* certificate) {
  try {
    return PublicKey::from_subject_public_key_info(x509::der_of([&](unsigned char** out) {
      return i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), out);
    }));
  } catch (const Error& error) {
    refuse(Reason::bad_claim, error.what());
  }
}

/// The one URI among the subject's alternative names (X509-SVID, 2).
std::string subject_of(X509* certificate) {
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string subject;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    if (!subject.empty()) refuse(Reason::bad_claim, "it names more than one URI");
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    subject.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                   static_cast<std::size_t>(ASN1_STRING_length(uri)));
    if (subject.empty() || !is_printable_utf8(subject)) {
      refuse(Reason::bad_claim, "its URI can't be one");
    }
  }
  if (subject.empty()) refuse(Reason::bad_claim, "it names no URI");
  return subject;
}

void check_chain(const std::vector<x509::Certificate>& chain, const std::string& roots,
                 std::uint64_t at_unix_s) {
  const Store store(required(X509_STORE_new()));
  const auto trusted = read_certificates(roots);
  if (trusted.empty()) {
    throw Error(CKR_ARGUMENTS_BAD, "the file of roots holds no PEM certificate");
  }
  for (const x509::Certificate& root : trusted) {
    if (X509_STORE_add_cert(store.get(), root.get()) != 1) {
      throw crypto::failure(CKR_HOST_MEMORY, "keeping a root certificate");
    }
  }
  const Others others(required(sk_X509_new_null()));
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (sk_X509_push(others.get(), chain[i].get()) == 0) throw Error(CKR_HOST_MEMORY, "no memory");
  }
  const StoreContext context(required(X509_STORE_CTX_new_ex(crypto::context(), nullptr)));
  if (X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(), others.get()) != 1) {
    throw crypto::failure(CKR_HOST_MEMORY, "starting to check a certificate");
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, static_cast<time_t>(at_unix_s));
  X509_VERIFY_PARAM_set_auth_level(parameters, kSecurityLevel);
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
  if (X509_verify_cert(context.get()) != 1) {
    refuse(Reason::chain, X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
  }
}

}  // namespace

VerifiedCredential verify_certificate(const std::string& pem, const std::string& roots,
                                      const CredentialExpectations& expected) {
  const x509::ErrorsKept kept;
  if (pem.size() > kMaxPem) refuse(Reason::too_long);
  const auto chain = read_certificates(pem);
  if (chain.empty()) refuse(Reason::malformed, "it is no PEM certificate");
  X509* const leaf = chain.front().get();
  const std::uint64_t begin = seconds_of(X509_get0_notBefore(leaf));
  // Its last second counts as a whole (RFC 5280, 4.1.2.5).
  const std::uint64_t end = seconds_of(X509_get0_notAfter(leaf)) + 1;
  const Clock& clock = expected.clock;
  const bool early = begin > clock.now_unix_s + static_cast<std::uint64_t>(clock.skew.count());
  // When the path is looked at is a time at which the certificate itself is valid: whether that is
  // now is said by its own reasons. libcrypto takes the last second for one too late.
  const std::uint64_t within =
      std::clamp(clock.now_unix_s, begin, std::max(begin + 1, end - 1) - 1);
  check_chain(chain, roots, within);
  if ((X509_get_extension_flags(leaf) & EXFLAG_CA) != 0) {
    refuse(Reason::bad_claim, "it is an authority's");
  }
  if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0) {
    refuse(Reason::bad_claim, "its key is not for signatures");
  }
  if (early) refuse(Reason::too_early, std::to_string(begin - clock.now_unix_s) + " s");
  check_end(Part::credential, end, clock);
  std::string subject = subject_of(leaf);
  if (!expected.subject.empty() && !is_subject(subject, expected.subject)) {
    refuse(Reason::wrong_subject, "for " + subject);
  }
  PublicKey key = key_of(leaf);
  std::string thumbprint = jwk_thumbprint(key);
  return {std::move(key), std::move(thumbprint), std::move(subject), end, std::nullopt};
}

}  // namespace mayfly::credential
