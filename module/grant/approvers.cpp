#include "grant/approvers.h"

#include "base/base64url.h"
#include "base/json_reader.h"
#include "base/utf8.h"
#include "grant/compact_jws.h"

namespace mayfly::grant {
namespace {

constexpr std::size_t kMaxModulus = 4096 / 8;
constexpr std::size_t kMaxExponent = 32;

/// Members that only a private or a secret key has (RFC 7518, 6).
constexpr const char* kPrivateMembers[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

/// "P-256": the name of the key's curve in JOSE.
std::string curve_name(const KeySpec& spec) {
  return spec.type == CKK_EC_EDWARDS ? "Ed25519" : "P-" + std::to_string(spec.bits);
}

/// The members that make up the public key, which RFC 7638 wants in this order: nlohmann's own.
nlohmann::json required_members(const PublicKey& key) {
  const KeySpec& spec = key.spec();
  if (spec.type == CKK_RSA) {
    return {
        {"e", to_base64url(key.exponent())}, {"kty", "RSA"}, {"n", to_base64url(key.modulus())}};
  }
  if (spec.type == CKK_EC_EDWARDS) {
    return {{"crv", curve_name(spec)}, {"kty", "OKP"}, {"x", to_base64url(key.point())}};
  }
  const std::size_t size = (key.point().size() - 1) / 2;
  return {{"crv", curve_name(spec)},
          {"kty", "EC"},
          {"x", to_base64url(key.point().subspan(1, size))},
          {"y", to_base64url(key.point().subspan(1 + size))}};
}

Bytes read_bytes(JsonObject& jwk, const char* member, std::size_t least, std::size_t most) {
  const auto bytes = parse_base64url(jwk.text(member));
  if (!bytes) jwk.refuse(member, "is no base64url");
  if (bytes->size() < least || bytes->size() > most) jwk.refuse(member, "has a wrong length");
  return *bytes;
}

/// A number without leading zeros (RFC 7518, 2: Base64urlUInt).
Bytes read_number(JsonObject& jwk, const char* member, std::size_t most) {
  Bytes bytes = read_bytes(jwk, member, 1, most);
  if (bytes.front() == 0) jwk.refuse(member, "begins with a zero");
  return bytes;
}

PublicKey read_curve_key(JsonObject& jwk) {
  const std::string curve = jwk.text("crv");
  for (const KeySpec spec : {KeySpec{CKK_EC, 256}, KeySpec{CKK_EC, 384}}) {
    if (curve != curve_name(spec)) continue;
    const std::size_t size = spec.bits / 8;
    Bytes point = {0x04};
    for (const char* member : {"x", "y"}) {
      const Bytes coordinate = read_bytes(jwk, member, size, size);
      point.insert(point.end(), coordinate.begin(), coordinate.end());
    }
    return PublicKey::from_point(spec, point);
  }
  jwk.refuse("crv", "is neither P-256 nor P-384");
}

PublicKey read_key(JsonObject& jwk) {
  const std::string type = jwk.text("kty");
  if (type == "EC") return read_curve_key(jwk);
  if (type == "RSA") {
    const Bytes modulus = read_number(jwk, "n", kMaxModulus);
    return PublicKey::from_rsa(modulus, read_number(jwk, "e", kMaxExponent));
  }
  if (type != "OKP") jwk.refuse("kty", "is none of EC, OKP and RSA");
  const KeySpec spec{CKK_EC_EDWARDS, 255};
  if (jwk.text("crv") != curve_name(spec)) jwk.refuse("crv", "is not Ed25519");
  return PublicKey::from_point(spec, read_bytes(jwk, "x", 32, 32));
}

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
  for (const char* member : kPrivateMembers) {
    if (jwk.has(member)) {
      jwk.refuse(member, "belongs to a private key; only public ones are for this file");
    }
  }
  PublicKey key = read_key(jwk);
  const auto algorithm = algorithm_of(key.spec());
  if (!algorithm) jwk.refuse("n", "is not of 2048 to 4096 bits");
  check_purpose(jwk, *algorithm);
  std::string key_id;
  if (jwk.has("kid")) key_id = jwk.printable_text("kid", kMaxKeyId);
  jwk.finish();
  std::string thumbprint = thumbprint_of(key);
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
  if (key_id.size() > kMaxKeyId || !is_printable_utf8(key_id)) {
    throw Error(CKR_ARGUMENTS_BAD, "a key ID has 1 to " + std::to_string(kMaxKeyId) +
                                       " bytes and no control characters");
  }
  nlohmann::json jwk = required_members(key);
  jwk["alg"] = name_of(*algorithm);
  jwk["use"] = "sig";
  jwk["kid"] = key_id.empty() ? thumbprint_of(key) : key_id;
  return jwk.dump();
}

std::string thumbprint_of(const PublicKey& key) {
  return to_base64url(digest(Hash::sha256, as_bytes(required_members(key).dump())));
}

}  // namespace mayfly::grant
