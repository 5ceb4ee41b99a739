#include "base/jws_algorithm.h"

#include <array>

namespace mayfly {
namespace {

struct JwsAlgorithmRow {
  JwsAlgorithm algorithm;
  std::string_view name;
  SignatureScheme scheme;
  KeySpec key;  // of RSA: any size that is allowed
};

constexpr std::array<JwsAlgorithmRow, 6> kJwsRows = {{
    {JwsAlgorithm::es256, "ES256", {Scheme::ecdsa, Hash::sha256, Hash::none, 0}, {CKK_EC, 256}},
    {JwsAlgorithm::es384, "ES384", {Scheme::ecdsa, Hash::sha384, Hash::none, 0}, {CKK_EC, 384}},
    {JwsAlgorithm::es512, "ES512", {Scheme::ecdsa, Hash::sha512, Hash::none, 0}, {CKK_EC, 521}},
    {JwsAlgorithm::eddsa,
     "EdDSA",
     {Scheme::eddsa, Hash::none, Hash::none, 0},
     {CKK_EC_EDWARDS, 255}},
    // The salt is as long as the hash (RFC 7518, 3.5).
    {JwsAlgorithm::ps256, "PS256", {Scheme::rsa_pss, Hash::sha256, Hash::sha256, 32}, {CKK_RSA, 0}},
    {JwsAlgorithm::ps384, "PS384", {Scheme::rsa_pss, Hash::sha384, Hash::sha384, 48}, {CKK_RSA, 0}},
}};

const JwsAlgorithmRow& row_of(JwsAlgorithm algorithm) noexcept {
  return kJwsRows[static_cast<std::size_t>(algorithm)];
}

}  // namespace

std::string_view name_of(JwsAlgorithm algorithm) noexcept { return row_of(algorithm).name; }

std::optional<JwsAlgorithm> find_jws_algorithm(std::string_view name) noexcept {
  for (const JwsAlgorithmRow& row : kJwsRows) {
    if (row.name == name) return row.algorithm;
  }
  return std::nullopt;
}

std::optional<JwsAlgorithm> jws_algorithm_of(const KeySpec& spec) noexcept {
  for (const JwsAlgorithmRow& row : kJwsRows) {
    if (fits(row.algorithm, spec)) return row.algorithm;
  }
  return std::nullopt;
}

bool fits(JwsAlgorithm algorithm, const KeySpec& spec) noexcept {
  const KeySpec& key = row_of(algorithm).key;
  if (key.type != CKK_RSA) return spec == key;
  return spec.type == CKK_RSA && spec.bits >= 2048 && spec.bits <= 4096;
}

SignatureScheme scheme_of(JwsAlgorithm algorithm) noexcept { return row_of(algorithm).scheme; }

bool is_signature(JwsAlgorithm algorithm, const PublicKey& key, ByteView message,
                  ByteView signature) {
  return fits(algorithm, key.spec()) && is_signature(scheme_of(algorithm), key, message, signature);
}

bool is_signature(const SignatureScheme& scheme, const PublicKey& key, ByteView message,
                  ByteView signature) {
  if (scheme.hash == Hash::none) return key.verify(scheme, message, signature);
  return key.verify(scheme, digest(scheme.hash, message), signature);
}

}  // namespace mayfly
