#include "base/jwk.h"

#include "base/base64url.h"
#include "base/hash.h"
#include "base/utf8.h"

namespace mayfly {
namespace {

constexpr std::size_t kMaxModulus = 4096 / 8;
constexpr std::size_t kMaxExponent = 32;

/// Members that only a private or a secret key has (RFC 7518, 6).
constexpr const char* kPrivateMembers[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

constexpr KeySpec kEd25519Spec{CKK_EC_EDWARDS, 255};

/// "P-256": the name of the key's curve in JOSE.
std::string curve_name(const KeySpec& spec) {
  return spec == kEd25519Spec ? "Ed25519" : "P-" + std::to_string(spec.bits);
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
  for (const KeySpec spec : {KeySpec{CKK_EC, 256}, KeySpec{CKK_EC, 384}, KeySpec{CKK_EC, 521}}) {
    if (curve != curve_name(spec)) continue;
    const std::size_t size = (spec.bits + 7) / 8;
    Bytes point = {0x04};
    for (const char* member : {"x", "y"}) {
      const Bytes coordinate = read_bytes(jwk, member, size, size);
      point.insert(point.end(), coordinate.begin(), coordinate.end());
    }
    return PublicKey::from_point(spec, point);
  }
  jwk.refuse("crv", "is none of P-256, P-384 and P-521");
}

}  // namespace

nlohmann::json to_jwk_members(const PublicKey& key) {
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

Bytes jwk_thumbprint_bytes(const PublicKey& key) {
  // nlohmann's objects are in the order that RFC 7638 wants.
  return digest(Hash::sha256, as_bytes(to_jwk_members(key).dump()));
}

std::string jwk_thumbprint(const PublicKey& key) { return to_base64url(jwk_thumbprint_bytes(key)); }

PublicKey read_jwk_key(JsonObject& jwk) {
  for (const char* member : kPrivateMembers) {
    if (jwk.has(member)) {
      jwk.refuse(member, "belongs to a private key; only public ones can stand here");
    }
  }
  const std::string type = jwk.text("kty");
  if (type == "EC") return read_curve_key(jwk);
  if (type == "RSA") {
    const Bytes modulus = read_number(jwk, "n", kMaxModulus);
    return PublicKey::from_rsa(modulus, read_number(jwk, "e", kMaxExponent));
  }
  if (type != "OKP") jwk.refuse("kty", "is none of EC, OKP and RSA");
  if (jwk.text("crv") != curve_name(kEd25519Spec)) jwk.refuse("crv", "is not Ed25519");
  return PublicKey::from_point(kEd25519Spec, read_bytes(jwk, "x", 32, 32));
}

bool is_key_id(const std::string& text) noexcept {
  return !text.empty() && text.size() <= kMaxKeyId && is_printable_utf8(text);
}

}  // namespace mayfly
