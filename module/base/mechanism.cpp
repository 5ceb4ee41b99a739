#include "base/mechanism.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash_mechanism.h"

namespace mayfly {
namespace {

using enum MechanismUse;

#define MECHANISM(type) type, #type
constexpr auto kAnyScheme = Scheme::ecdsa;  // in rows that sign nothing

// Multi-part: PKCS#11 3.0 mechanisms document, tables 25 (EC), 39 (EdDSA) and 2 (RSA).
constexpr Mechanism kMechanisms[] = {
    {MECHANISM(CKM_EC_KEY_PAIR_GEN), generate, CKK_EC, kAnyScheme, Hash::none, false},
    {MECHANISM(CKM_EC_EDWARDS_KEY_PAIR_GEN), generate, CKK_EC_EDWARDS, kAnyScheme, Hash::none,
     false},
    {MECHANISM(CKM_RSA_PKCS_KEY_PAIR_GEN), generate, CKK_RSA, kAnyScheme, Hash::none, false},
    {MECHANISM(CKM_ECDSA), sign, CKK_EC, Scheme::ecdsa, Hash::none, false},
    {MECHANISM(CKM_ECDSA_SHA224), sign, CKK_EC, Scheme::ecdsa, Hash::sha224, true},
    {MECHANISM(CKM_ECDSA_SHA256), sign, CKK_EC, Scheme::ecdsa, Hash::sha256, true},
    {MECHANISM(CKM_ECDSA_SHA384), sign, CKK_EC, Scheme::ecdsa, Hash::sha384, true},
    {MECHANISM(CKM_ECDSA_SHA512), sign, CKK_EC, Scheme::ecdsa, Hash::sha512, true},
    {MECHANISM(CKM_EDDSA), sign, CKK_EC_EDWARDS, Scheme::eddsa, Hash::none, true},
    {MECHANISM(CKM_RSA_PKCS), sign, CKK_RSA, Scheme::rsa_pkcs1, Hash::none, false},
    {MECHANISM(CKM_SHA224_RSA_PKCS), sign, CKK_RSA, Scheme::rsa_pkcs1, Hash::sha224, true},
    {MECHANISM(CKM_SHA256_RSA_PKCS), sign, CKK_RSA, Scheme::rsa_pkcs1, Hash::sha256, true},
    {MECHANISM(CKM_SHA384_RSA_PKCS), sign, CKK_RSA, Scheme::rsa_pkcs1, Hash::sha384, true},
    {MECHANISM(CKM_SHA512_RSA_PKCS), sign, CKK_RSA, Scheme::rsa_pkcs1, Hash::sha512, true},
    {MECHANISM(CKM_RSA_PKCS_PSS), sign, CKK_RSA, Scheme::rsa_pss, Hash::none, false},
    {MECHANISM(CKM_SHA224_RSA_PKCS_PSS), sign, CKK_RSA, Scheme::rsa_pss, Hash::sha224, true},
    {MECHANISM(CKM_SHA256_RSA_PKCS_PSS), sign, CKK_RSA, Scheme::rsa_pss, Hash::sha256, true},
    {MECHANISM(CKM_SHA384_RSA_PKCS_PSS), sign, CKK_RSA, Scheme::rsa_pss, Hash::sha384, true},
    {MECHANISM(CKM_SHA512_RSA_PKCS_PSS), sign, CKK_RSA, Scheme::rsa_pss, Hash::sha512, true},
    {MECHANISM(CKM_SHA224), digest, CKK_VENDOR_DEFINED, kAnyScheme, Hash::sha224, true},
    {MECHANISM(CKM_SHA256), digest, CKK_VENDOR_DEFINED, kAnyScheme, Hash::sha256, true},
    {MECHANISM(CKM_SHA384), digest, CKK_VENDOR_DEFINED, kAnyScheme, Hash::sha384, true},
    {MECHANISM(CKM_SHA512), digest, CKK_VENDOR_DEFINED, kAnyScheme, Hash::sha512, true},
};
#undef MECHANISM

constexpr KeySpec kSpecs[] = {{CKK_EC, 256},         {CKK_EC, 384},   {CKK_EC, 521},
                              {CKK_EC_EDWARDS, 255}, {CKK_RSA, 2048}, {CKK_RSA, 3072},
                              {CKK_RSA, 4096}};

SignatureScheme pss_scheme(const Mechanism& mechanism, const MechanismChoice& choice,
                           const KeySpec& key) {
  const auto refuse = [&](const char* why) {
    return Error(CKR_MECHANISM_PARAM_INVALID, std::string(mechanism.name) + ": " + why);
  };
  if (!choice.pss) throw refuse("CK_RSA_PKCS_PSS_PARAMS is missing");
  const auto hash = hash_of_mechanism(choice.pss->hash);
  if (!hash) throw refuse("hashAlg is none of SHA-224, SHA-256, SHA-384, SHA-512");
  if (mechanism.hash != Hash::none && mechanism.hash != *hash) {
    throw refuse("hashAlg is another hash than the mechanism's");
  }
  if (choice.pss->mgf != mgf_of(*hash)) throw refuse("mgf must use the hash of hashAlg");
  const std::size_t room = key.bits / 8 - digest_size(*hash) - 2;
  if (choice.pss->salt_size > room) throw refuse("sLen is too long for the key");
  return {Scheme::rsa_pss, *hash, *hash, choice.pss->salt_size};
}

}  // namespace

std::span<const Mechanism> known_mechanisms() noexcept { return kMechanisms; }
std::span<const KeySpec> known_key_specs() noexcept { return kSpecs; }

const Mechanism* find_mechanism(CK_MECHANISM_TYPE type) noexcept {
  const auto found =
      std::ranges::find_if(kMechanisms, [type](const Mechanism& row) { return row.type == type; });
  return found == std::end(kMechanisms) ? nullptr : &*found;
}

const Mechanism* find_signing_mechanism(std::string_view name) noexcept {
  const auto found = std::ranges::find_if(kMechanisms, [name](const Mechanism& row) {
    return row.use == MechanismUse::sign && row.name == name;
  });
  return found == std::end(kMechanisms) ? nullptr : &*found;
}

std::optional<KeySpec> find_key_spec(std::string_view name) {
  const auto found =
      std::ranges::find_if(kSpecs, [name](const KeySpec& spec) { return to_string(spec) == name; });
  return found == std::end(kSpecs) ? std::nullopt : std::optional(*found);
}

std::string names_of(const MechanismSet& mechanisms) {
  std::string names;
  for (const Mechanism& row : kMechanisms) {
    if (row.use != MechanismUse::sign || !mechanisms.contains(row)) continue;
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return names;
}

std::string names_of(const KeySpecSet& kinds) {
  std::string names;
  for (const KeySpec& spec : kSpecs) {
    if (kinds.contains(spec)) names += (names.empty() ? "" : ", ") + to_string(spec);
  }
  return names;
}

SignatureScheme signature_scheme(const Mechanism& mechanism, const MechanismChoice& choice,
                                 const KeySpec& key) {
  if (mechanism.scheme == Scheme::rsa_pss) return pss_scheme(mechanism, choice, key);
  return {mechanism.scheme, mechanism.hash, Hash::none, 0};
}

std::optional<Hash> hash_of_mechanism(CK_MECHANISM_TYPE type) noexcept {
  const Mechanism* mechanism = find_mechanism(type);
  if (mechanism == nullptr || mechanism->use != MechanismUse::digest) return std::nullopt;
  return mechanism->hash;
}

}  // namespace mayfly
