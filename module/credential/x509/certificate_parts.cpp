#include "credential/x509/certificate_parts.h"

#include <array>
#include <ctime>

#include <openssl/x509v3.h>

#include "base/crypto_context.h"
#include "base/random.h"
#include "base/task_binding.h"
#include "base/utf8.h"
#include "credential/x509/signing.h"

namespace mayfly::x509 {
namespace {

using BigNumber = crypto::Owned<BIGNUM, BN_free>;
using Time = crypto::Owned<ASN1_TIME, ASN1_TIME_free>;
using BitString = crypto::Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;
using OctetString = crypto::Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using BasicConstraints = crypto::Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;
using AuthorityKeyId = crypto::Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free>;
using Names = crypto::Owned<GENERAL_NAMES, GENERAL_NAMES_free>;
using Usages = crypto::Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;

constexpr std::size_t kMaxCommonName = 64;
constexpr std::size_t kSerialSize = 20;  // the most that RFC 5280, 4.1.2.2 allows

void check(int result, const char* what) {
  if (result != 1) throw crypto::failure(CKR_FUNCTION_FAILED, what);
}

void add_extension(X509& certificate, int nid, void* value, bool critical) {
  check(X509_add1_ext_i2d(&certificate, nid, value, critical ? 1 : 0, X509V3_ADD_DEFAULT),
        "adding an extension to a certificate");
}

Time time_of(std::uint64_t unix_s) {
  return Time(required(ASN1_TIME_set(nullptr, static_cast<std::time_t>(unix_s))));
}

void set_serial(X509& certificate) {
  std::array<std::uint8_t, kSerialSize> serial{};
  fill_random(serial, "a certificate's serial number");
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3f) | 0x40);  // positive, and full length
  const BigNumber number(required(BN_bin2bn(serial.data(), kSerialSize, nullptr)));
  if (BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) == nullptr) {
    throw Error(CKR_HOST_MEMORY, "no memory for a certificate");
  }
}

OctetString octets(ByteView bytes) {
  OctetString string(required(ASN1_OCTET_STRING_new()));
  check(ASN1_OCTET_STRING_set(string.get(), bytes.data(), static_cast<int>(bytes.size())),
        "making a certificate");
  return string;
}

void add_to_name(X509_NAME& name, int nid, int type, std::string_view text) {
  check(X509_NAME_add_entry_by_NID(&name, nid, type,
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()), -1, 0),
        "writing a subject's name");
}

}  // namespace

void set_subject(X509_NAME& name, const std::string& common_name, const std::string& serial) {
  add_to_name(name, NID_commonName, MBSTRING_UTF8, utf8_prefix(common_name, kMaxCommonName));
  if (!serial.empty()) add_to_name(name, NID_serialNumber, MBSTRING_ASC, serial);
}

EvpKey evp_key(const PublicKey& key) {
  const Bytes der = key.subject_public_key_info();
  const unsigned char* at = der.data();
  return EvpKey(required(
      d2i_PUBKEY_ex(nullptr, &at, static_cast<long>(der.size()), crypto::context(), nullptr)));
}

Certificate new_certificate(const PublicKey& key, std::uint64_t not_before_unix_s,
                            std::uint64_t not_after_unix_s) {
  Certificate certificate(required(X509_new_ex(crypto::context(), nullptr)));
  check(X509_set_version(certificate.get(), X509_VERSION_3), "making a certificate");
  set_serial(*certificate);
  check(X509_set1_notBefore(certificate.get(), time_of(not_before_unix_s).get()),
        "making a certificate");
  check(X509_set1_notAfter(certificate.get(), time_of(not_after_unix_s).get()),
        "making a certificate");
  check(X509_set_pubkey(certificate.get(), evp_key(key).get()), "making a certificate");
  return certificate;
}

void add_key_usage(X509& certificate, const std::vector<KeyUsage>& usages) {
  const BitString bits(required(ASN1_BIT_STRING_new()));
  for (const KeyUsage usage : usages) {
    check(ASN1_BIT_STRING_set_bit(bits.get(), usage, 1), "making a certificate");
  }
  add_extension(certificate, NID_key_usage, bits.get(), true);
}

void add_basic_constraints(X509& certificate, bool ca) {
  const BasicConstraints constraints(required(BASIC_CONSTRAINTS_new()));
  constraints->ca = ca ? 0xff : 0;
  if (ca) {
    constraints->pathlen = required(ASN1_INTEGER_new());
    check(ASN1_INTEGER_set(constraints->pathlen, 0), "making a certificate");
  }
  add_extension(certificate, NID_basic_constraints, constraints.get(), true);
}

void add_extended_key_usage(X509& certificate, const std::vector<int>& usages) {
  const Usages list(required(EXTENDED_KEY_USAGE_new()));
  for (const int usage : usages) {
    if (sk_ASN1_OBJECT_push(list.get(), OBJ_nid2obj(usage)) == 0) {
      throw Error(CKR_HOST_MEMORY, "no memory for a certificate");
    }
  }
  add_extension(certificate, NID_ext_key_usage, list.get(), false);
}

void add_uri(X509& certificate, const std::string& uri) {
  const Names names(required(GENERAL_NAMES_new()));
  GENERAL_NAME* const name = required(GENERAL_NAME_new());
  if (sk_GENERAL_NAME_push(names.get(), name) == 0) {
    GENERAL_NAME_free(name);
    throw Error(CKR_HOST_MEMORY, "no memory for a certificate");
  }
  ASN1_IA5STRING* const text = required(ASN1_IA5STRING_new());
  GENERAL_NAME_set0_value(name, GEN_URI, text);
  check(ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size())), "making a certificate");
  add_extension(certificate, NID_subject_alt_name, names.get(), false);
}

void add_subject_key_id(X509& certificate, const PublicKey& key) {
  add_extension(certificate, NID_subject_key_identifier, octets(thumbprint(key)).get(), false);
}

void add_authority_key_id(X509& certificate, ByteView key_id) {
  const AuthorityKeyId authority(required(AUTHORITY_KEYID_new()));
  authority->keyid = octets(key_id).release();
  add_extension(certificate, NID_authority_key_identifier, authority.get(), false);
}

Bytes sign_certificate(X509& certificate, Signer& issuer) {
  const KeySpec& spec = issuer.public_key().spec();
  // libcrypto only lets its own keys write here; the fields are the certificate's, which is ours.
  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* outer = nullptr;
  X509_get0_signature(&signature, &outer, &certificate);
  const X509_ALGOR* const inner = X509_get0_tbs_sigalg(&certificate);
  set_algorithm(*const_cast<X509_ALGOR*>(inner), spec);
  set_algorithm(*const_cast<X509_ALGOR*>(outer), spec);
  const Bytes to_be_signed =
      der_of([&](unsigned char** der) { return i2d_re_X509_tbs(&certificate, der); });
  set_bits(*const_cast<ASN1_BIT_STRING*>(signature), signature_value(issuer, to_be_signed));
  return der_of([&](unsigned char** der) { return i2d_X509(&certificate, der); });
}

}  // namespace mayfly::x509
