#include "grant/algorithm.h"

#include <array>

namespace mayfly::grant {
namespace {

struct AlgorithmRow {
  Algorithm algorithm;
  std::string_view name;
  SignatureScheme scheme;
};

constexpr std::array<AlgorithmRow, 4> kAlgorithms = {{
    {Algorithm::es256, "ES256", {Scheme::ecdsa, Hash::sha256, Hash::none, 0}},
    {Algorithm::es384, "ES384", {Scheme::ecdsa, Hash::sha384, Hash::none, 0}},
    {Algorithm::eddsa, "EdDSA", {Scheme::eddsa, Hash::none, Hash::none, 0}},
    // The salt is as long as the hash (RFC 7518, 3.5).
    {Algorithm::ps256, "PS256", {Scheme::rsa_pss, Hash::sha256, Hash::sha256, 32}},
}};

const AlgorithmRow& row_of(Algorithm algorithm) noexcept {
  return kAlgorithms[static_cast<std::size_t>(algorithm)];
}

}  // namespace

std::string_view name_of(Algorithm algorithm) noexcept { return row_of(algorithm).name; }

std::optional<Algorithm> find_algorithm(std::string_view name) noexcept {
  for (const AlgorithmRow& row : kAlgorithms) {
    if (row.name == name) return row.algorithm;
  }
  return std::nullopt;
}

std::optional<Algorithm> algorithm_of(const KeySpec& spec) noexcept {
  if (spec == KeySpec{CKK_EC, 256}) return Algorithm::es256;
  if (spec == KeySpec{CKK_EC, 384}) return Algorithm::es384;
  if (spec.type == CKK_EC_EDWARDS) return Algorithm::eddsa;
  if (spec.type == CKK_RSA && spec.bits >= 2048 && spec.bits <= 4096) return Algorithm::ps256;
  return std::nullopt;
}

SignatureScheme scheme_of(Algorithm algorithm) noexcept { return row_of(algorithm).scheme; }

bool is_signature(Algorithm algorithm, const PublicKey& key, ByteView message, ByteView signature) {
  if (algorithm_of(key.spec()) != algorithm) return false;
  const SignatureScheme scheme = scheme_of(algorithm);
  if (scheme.hash == Hash::none) return key.verify(scheme, message, signature);
  return key.verify(scheme, digest(scheme.hash, message), signature);
}

}  // namespace mayfly::grant
