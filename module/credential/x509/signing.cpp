#include "credential/x509/signing.h"

#include <openssl/obj_mac.h>
#include <openssl/objects.h>

#include "base/error.h"
#include "credential/checked_signature.h"

namespace mayfly::x509 {
namespace {

int algorithm_nid(const KeySpec& spec) noexcept {
  if (spec.type == CKK_RSA) return NID_sha256WithRSAEncryption;
  if (spec.type == CKK_EC_EDWARDS) return NID_ED25519;
  switch (spec.bits) {
    case 256:
      return NID_ecdsa_with_SHA256;
    case 384:
      return NID_ecdsa_with_SHA384;
    default:
      return NID_ecdsa_with_SHA512;
  }
}

Hash curve_hash(unsigned bits) noexcept {
  if (bits == 256) return Hash::sha256;
  return bits == 384 ? Hash::sha384 : Hash::sha512;
}

}  // namespace

SignatureScheme scheme_of(const KeySpec& spec) noexcept {
  if (spec.type == CKK_RSA) return {Scheme::rsa_pkcs1, Hash::sha256, Hash::none, 0};
  if (spec.type == CKK_EC_EDWARDS) return {Scheme::eddsa, Hash::none, Hash::none, 0};
  return {Scheme::ecdsa, curve_hash(spec.bits), Hash::none, 0};
}

void set_algorithm(X509_ALGOR& field, const KeySpec& spec) {
  // RSA's has NULL for a parameter, the others have none.
  const int parameter = spec.type == CKK_RSA ? V_ASN1_NULL : V_ASN1_UNDEF;
  if (X509_ALGOR_set0(&field, OBJ_nid2obj(algorithm_nid(spec)), parameter, nullptr) != 1) {
    throw Error(CKR_HOST_MEMORY, "no memory for a certificate");
  }
}

Bytes signature_value(Signer& signer, ByteView to_be_signed) {
  const SignatureScheme scheme = scheme_of(signer.public_key().spec());
  const Bytes signature = credential::checked_signature(signer, scheme, to_be_signed);
  return scheme.scheme == Scheme::ecdsa ? ecdsa_to_der(signature) : signature;
}

void set_bits(ASN1_BIT_STRING& field, ByteView value) {
  if (ASN1_BIT_STRING_set(&field, const_cast<unsigned char*>(value.data()),
                          static_cast<int>(value.size())) != 1) {
    throw Error(CKR_HOST_MEMORY, "no memory for a certificate");
  }
  // Without this, zero bits at the end would be left out.
  field.flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
  field.flags |= ASN1_STRING_FLAG_BITS_LEFT;
}

}  // namespace mayfly::x509
