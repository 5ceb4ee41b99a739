#include "conformance/key_kinds.h"

#include <array>
#include <cstdlib>
#include <cstring>

#include "conformance/provider.h"

namespace mayfly::test {
namespace {

constexpr const char* kOidP256 = "06082a8648ce3d030107";
constexpr const char* kOidP384 = "06052b81040022";
constexpr const char* kOidP521 = "06052b81040023";
constexpr const char* kOidEd25519 = "06032b6570";

/// A mechanism that the front door carries.
CK_MECHANISM_TYPE ecdsa_with(CK_MECHANISM_TYPE hashing) {
  return door_under_test() == "p11kit" ? CKM_ECDSA : hashing;
}

// A device without Ed25519 has what stands after it.
constexpr std::array<const KeyKind*, 5> kAll = {&kEd25519, &kP256, &kP384, &kP521, &kRsa2048};

}  // namespace

const KeyKind kP256 = {"P-256", CKM_EC_KEY_PAIR_GEN,         CKK_EC, kOidP256, 0, 65,
                       64,      ecdsa_with(CKM_ECDSA_SHA256)};
const KeyKind kP384 = {"P-384", CKM_EC_KEY_PAIR_GEN,         CKK_EC, kOidP384, 0, 97,
                       96,      ecdsa_with(CKM_ECDSA_SHA384)};
const KeyKind kP521 = {"P-521", CKM_EC_KEY_PAIR_GEN,         CKK_EC, kOidP521, 0, 133,
                       132,     ecdsa_with(CKM_ECDSA_SHA512)};
const KeyKind kEd25519 = {
    "Ed25519", CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, kOidEd25519, 0, 32, 64, CKM_EDDSA};
const KeyKind kRsa2048 = {"RSA 2048", CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, nullptr, 2048, 0,
                          256,        CKM_SHA256_RSA_PKCS};
const KeyKind kRsa3072 = {"RSA 3072", CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, nullptr, 3072, 0,
                          384,        CKM_SHA256_RSA_PKCS};
const KeyKind kRsa4096 = {"RSA 4096", CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, nullptr, 4096, 0,
                          512,        CKM_SHA256_RSA_PKCS};

Bytes from_hex(const char* digits) {
  Bytes bytes;
  for (std::size_t at = 0; at + 1 < std::strlen(digits); at += 2) {
    const char pair[3] = {digits[at], digits[at + 1], 0};
    bytes.push_back(static_cast<std::uint8_t>(std::strtoul(pair, nullptr, 16)));
  }
  return bytes;
}

Template KeyKind::public_template() const {
  if (is_rsa()) return {{CKA_MODULUS_BITS, modulus_bits}};
  return {{CKA_EC_PARAMS, curve()}};
}

Bytes KeyKind::curve() const { return from_hex(ec_params); }

std::span<const KeyKind* const> all_kinds() {
  return std::span(kAll).subspan(out_of_reach(kAll.front()->generator) ? 1 : 0);
}
std::span<const KeyKind* const> quick_kinds() { return all_kinds().first(all_kinds().size() - 1); }

}  // namespace mayfly::test
