#include "grant/approvers.h"

#include "base/json_reader.h"
#include "base/jwk.h"

namespace mayfly::grant {
namespace {

/// What else a JWK says of its key: nothing may be against verifying grants with it.
void check_purpose(JsonObject& jwk, Algorithm algorithm) {
  if (jwk.has("alg") && jwk.text("alg") != name_of(algorithm)) {
    jwk.refuse("alg", "is not " + std::string(name_of(algorithm)) +
                          ", the only one with which such a key signs grants");
  }
  if (jwk.has("use") && jwk.text("use") != "sig") jwk.refuse("use", "is not sig");
  if (jwk.has("key_ops") && jwk.at("key_ops") != nlohmann::json{"verify"}) {
    jwk.refuse("key_ops", "is not [\"verify\"]");
  }
}

Approver read_approver(JsonObject jwk) {
  PublicKey key = read_jwk_key(jwk);
  const auto algorithm = algorithm_of(key.spec());
  if (!algorithm) jwk.refuse("crv", "is neither P-256 nor P-384");
  check_purpose(jwk, *algorithm);
  std::string key_id;
  if (jwk.has("kid")) key_id = jwk.printable_text("kid", kMaxKeyId);
  jwk.finish();
  std::string thumbprint = jwk_thumbprint(key);
  return {std::move(key), *algorithm, std::move(key_id), std::move(thumbprint)};
}

/// A key that is there twice, or a name that means two keys, would leave open whose signature it
/// is.
void check_unique(const std::vector<Approver>& approvers, const Approver& next,
                  const std::string& name) {
  for (const Approver& other : approvers) {
    if (other.thumbprint == next.thumbprint) {
      throw JsonError(JsonFault::duplicate, name + " is there before");
    }
    const bool same_name = !next.key_id.empty() && other.key_id == next.key_id;
    if (same_name || other.key_id == next.thumbprint || other.thumbprint == next.key_id) {
      throw JsonError(JsonFault::duplicate, name + ".kid is another key's as well");
    }
  }
}

}  // namespace

std::vector<Approver> parse_approvers(std::string_view json) {
  const nlohmann::json parsed = parse_json(json, kMaxApproversSize);
  JsonObject set(parsed, "JWK Set");
  const nlohmann::json& keys = set.at("keys");
  if (!keys.is_array() || keys.empty() || keys.size() > kMaxApprovers) {
    set.refuse("keys", "is no list of 1 to " + std::to_string(kMaxApprovers));
  }
  set.finish();
  std::vector<Approver> approvers;
  for (const nlohmann::json& key : keys) {
    const std::string name = "keys[" + std::to_string(approvers.size()) + "]";
    try {
      Approver approver = read_approver(JsonObject(key, name));
      check_unique(approvers, approver, name);
      approvers.push_back(std::move(approver));
    } catch (const JsonError&) {
      throw;
    } catch (const Error& error) {
      throw JsonError(JsonFault::invalid, name + ": " + error.what());
    }
  }
  return approvers;
}

std::string to_jwk(const PublicKey& key, const std::string& key_id) {
  const auto algorithm = algorithm_of(key.spec());
  if (!algorithm) {
    throw Error(CKR_KEY_TYPE_INCONSISTENT,
                to_string(key.spec()) +
                    " keys can't sign grants; take EC P-256, EC P-384, Ed25519, or RSA of 2048 to "
                    "4096 bits");
  }
  if (!key_id.empty() && !is_key_id(key_id)) {
    throw Error(CKR_ARGUMENTS_BAD, "a key ID has 1 to " + std::to_string(kMaxKeyId) +
                                       " bytes and no control characters");
  }
  nlohmann::json jwk = to_jwk_members(key);
  jwk["alg"] = name_of(*algorithm);
  jwk["use"] = "sig";
  jwk["kid"] = key_id.empty() ? jwk_thumbprint(key) : key_id;
  return jwk.dump();
}

}  // namespace mayfly::grant
