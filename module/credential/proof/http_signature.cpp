#include "credential/proof/http_signature.h"

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "base/jwk.h"
#include "base/jws_algorithm.h"
#include "base/random.h"
#include "credential/checked_signature.h"

namespace mayfly::credential {
namespace {

constexpr std::string_view kLabel = "mayfly=";

struct HttpAlgorithmRow {
  std::string_view name;
  KeySpec key;  // of RSA: any size that signs tokens
  SignatureScheme scheme;
};

constexpr std::array<HttpAlgorithmRow, 5> kHttpAlgorithms = {{
    {"ecdsa-p256-sha256", {CKK_EC, 256}, {Scheme::ecdsa, Hash::sha256, Hash::none, 0}},
    {"ecdsa-p384-sha384", {CKK_EC, 384}, {Scheme::ecdsa, Hash::sha384, Hash::none, 0}},
    {"ed25519", {CKK_EC_EDWARDS, 255}, {Scheme::eddsa, Hash::none, Hash::none, 0}},
    {"rsa-pss-sha512", {CKK_RSA, 0}, {Scheme::rsa_pss, Hash::sha512, Hash::sha512, 64}},
    {"rsa-v1_5-sha256", {CKK_RSA, 0}, {Scheme::rsa_pkcs1, Hash::sha256, Hash::none, 0}},
}};

bool is_row_of(const HttpAlgorithmRow& row, const KeySpec& spec) noexcept {
  return row.key.type == CKK_RSA ? fits(JwsAlgorithm::ps256, spec) : row.key == spec;
}

std::string lower_name(std::string_view name) {
  std::string result(name);
  std::ranges::transform(result, result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

}  // namespace

std::string_view http_algorithm_of(const KeySpec& spec) noexcept {
  for (const HttpAlgorithmRow& row : kHttpAlgorithms) {
    if (is_row_of(row, spec)) return row.name;
  }
  return {};
}

std::optional<SignatureScheme> http_scheme(std::string_view algorithm,
                                           const KeySpec& spec) noexcept {
  for (const HttpAlgorithmRow& row : kHttpAlgorithms) {
    if (row.name == algorithm && is_row_of(row, spec)) return row.scheme;
  }
  return std::nullopt;
}

std::string signature_base(const HttpMessage& message, const SignatureInput& input,
                           std::string_view params) {
  std::string base;
  for (const std::string& component : input.components) {
    const auto value = component_value(message, component);
    if (!value) {
      throw Error(CKR_ARGUMENTS_BAD, "the request has no component " + component);
    }
    base += "\"" + component + "\": " + *value + "\n";
  }
  return base + "\"@signature-params\": " + std::string(params);
}

HttpSignature sign_http(const HttpMessage& message, const ProofTime& time, Signer& signer,
                        const std::string& nonce) {
  if (!std::ranges::all_of(nonce, [](char c) { return c >= ' ' && c <= '~'; })) {
    throw Error(CKR_ARGUMENTS_BAD, "a nonce is of printable ASCII characters");
  }
  const PublicKey& key = signer.public_key();
  const std::string_view algorithm = http_algorithm_of(key.spec());
  const auto scheme = http_scheme(algorithm, key.spec());
  if (!scheme) {
    throw Error(CKR_KEY_TYPE_INCONSISTENT,
                to_string(key.spec()) + " keys can't sign HTTP messages");
  }
  SignatureInput input;
  input.components = {"@method", "@target-uri", "@authority"};
  for (const auto& [name, value] : message.fields) {
    const std::string component = lower_name(name);
    if (std::ranges::find(input.components, component) == input.components.end()) {
      input.components.push_back(component);
    }
  }
  input.created = time.now_unix_s;
  input.expires = time.end();
  input.nonce = nonce.empty() ? random_id("the nonce of a proof") : nonce;
  input.algorithm = std::string(algorithm);
  input.key_id = jwk_thumbprint(key);
  const std::string params = to_signature_params(input);
  const std::string base = signature_base(message, input, params);
  const Bytes signature = checked_signature(signer, *scheme, as_bytes(base));
  const std::string label(kLabel);
  return {label + params, label + ":" + to_base64(signature) + ":"};
}

}  // namespace mayfly::credential
