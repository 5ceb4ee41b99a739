#include "conformance/signing_mechanisms.h"

#include <algorithm>
#include <stdexcept>

#include "conformance/provider.h"

namespace mayfly::test {
namespace {

using enum SignatureForm::Scheme;

constexpr CK_RSA_PKCS_PSS_PARAMS kPss224 = {CKM_SHA224, CKG_MGF1_SHA224, 28};
constexpr CK_RSA_PKCS_PSS_PARAMS kPss256 = {CKM_SHA256, CKG_MGF1_SHA256, 32};
constexpr CK_RSA_PKCS_PSS_PARAMS kPss384 = {CKM_SHA384, CKG_MGF1_SHA384, 48};
constexpr CK_RSA_PKCS_PSS_PARAMS kPss512 = {CKM_SHA512, CKG_MGF1_SHA512, 64};

#define ROW(type) type, #type
// Mechanisms document 3.0: tables 25 (ECDSA), 39 (EdDSA) and 2 (RSA).
constexpr SigningMechanism kSigningMechanisms[] = {
    {ROW(CKM_ECDSA), CKK_EC, {ecdsa, nullptr}, false, std::nullopt},
    {ROW(CKM_ECDSA_SHA224), CKK_EC, {ecdsa, "SHA224"}, true, std::nullopt},
    {ROW(CKM_ECDSA_SHA256), CKK_EC, {ecdsa, "SHA256"}, true, std::nullopt},
    {ROW(CKM_ECDSA_SHA384), CKK_EC, {ecdsa, "SHA384"}, true, std::nullopt},
    {ROW(CKM_ECDSA_SHA512), CKK_EC, {ecdsa, "SHA512"}, true, std::nullopt},
    {ROW(CKM_EDDSA), CKK_EC_EDWARDS, {eddsa, nullptr}, true, std::nullopt},
    {ROW(CKM_RSA_PKCS), CKK_RSA, {rsa_pkcs1, nullptr}, false, std::nullopt},
    {ROW(CKM_SHA224_RSA_PKCS), CKK_RSA, {rsa_pkcs1, "SHA224"}, true, std::nullopt},
    {ROW(CKM_SHA256_RSA_PKCS), CKK_RSA, {rsa_pkcs1, "SHA256"}, true, std::nullopt},
    {ROW(CKM_SHA384_RSA_PKCS), CKK_RSA, {rsa_pkcs1, "SHA384"}, true, std::nullopt},
    {ROW(CKM_SHA512_RSA_PKCS), CKK_RSA, {rsa_pkcs1, "SHA512"}, true, std::nullopt},
    {ROW(CKM_RSA_PKCS_PSS), CKK_RSA, {rsa_pss, nullptr, "SHA256", 32}, false, kPss256},
    {ROW(CKM_SHA224_RSA_PKCS_PSS), CKK_RSA, {rsa_pss, "SHA224", "SHA224", 28}, true, kPss224},
    {ROW(CKM_SHA256_RSA_PKCS_PSS), CKK_RSA, {rsa_pss, "SHA256", "SHA256", 32}, true, kPss256},
    {ROW(CKM_SHA384_RSA_PKCS_PSS), CKK_RSA, {rsa_pss, "SHA384", "SHA384", 48}, true, kPss384},
    {ROW(CKM_SHA512_RSA_PKCS_PSS), CKK_RSA, {rsa_pss, "SHA512", "SHA512", 64}, true, kPss512},
};
#undef ROW

}  // namespace

CK_MECHANISM SigningMechanism::choice() const {
  if (!pss) return {type, nullptr, 0};
  return {type, const_cast<CK_RSA_PKCS_PSS_PARAMS*>(&*pss), sizeof *pss};
}

Bytes SigningMechanism::input_for(const Bytes& message) const {
  if (!is_raw() || form.scheme == eddsa) return message;
  if (form.scheme == rsa_pkcs1) return digest_info_sha256(message);
  return openssl_digest("SHA256", message);
}

const std::vector<SigningMechanism>& signing_mechanisms() {
  static const std::vector<SigningMechanism> kOffered = [] {
    std::vector<SigningMechanism> rows(std::begin(kSigningMechanisms),
                                       std::end(kSigningMechanisms));
    std::erase_if(rows, [](const SigningMechanism& row) { return out_of_reach(row.type); });
    return rows;
  }();
  return kOffered;
}

const SigningMechanism& signing_mechanism(CK_MECHANISM_TYPE type) {
  for (const SigningMechanism& row : kSigningMechanisms) {
    if (row.type == type) return row;
  }
  throw std::runtime_error("no such mechanism");
}

}  // namespace mayfly::test
