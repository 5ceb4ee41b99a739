#include "device/pkcs11/key_generation.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {
namespace {

// Templates and parameters are only read by the device; the standard's structures predate const.
CK_BBOOL yes = CK_TRUE;
CK_BBOOL no = CK_FALSE;

constexpr std::uint8_t kExponent[] = {0x01, 0x00, 0x01};
// PKCS#11 3.0, 2.3.10 lets a device want Ed25519 by OID (RFC 8410) or by this PrintableString.
constexpr std::uint8_t kEd25519Name[] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r',
                                         'd',  's',  '2', '5', '5', '1', '9'};

CK_ATTRIBUTE flag(CK_ATTRIBUTE_TYPE type, CK_BBOOL& value) { return {type, &value, sizeof value}; }

CK_ATTRIBUTE bytes(CK_ATTRIBUTE_TYPE type, ByteView value) {
  return {type, const_cast<std::uint8_t*>(value.data()), value.size()};
}

/// The CKA_ID of one pair of session objects, random, so that it can be told from all others even
/// when the device did not tell its handles, or wrong ones.
using Tag = std::array<std::uint8_t, 16>;

/// CKR_OK when the object is of the key pair.
CK_RV check_tag(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                const Tag& tag) {
  Tag id{};
  CK_ATTRIBUTE attribute = {CKA_ID, id.data(), id.size()};
  const CK_RV rv = functions->C_GetAttributeValue(session, key, &attribute, 1);
  if (rv == CKR_OK && attribute.ulValueLen == id.size() && id == tag) return CKR_OK;
  // Anything else that it may say makes as little sense as a key that is none of this pair.
  const bool lost = says_session_dead(rv) || says_device_away(rv) || rv == CKR_USER_NOT_LOGGED_IN;
  return lost ? rv : CKR_DEVICE_ERROR;
}

/// Destroys what the device made all the same. If it can't be found now, it goes with its session;
/// nobody can use it.
void destroy_tagged(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session, const Tag& tag) {
  CK_ATTRIBUTE wanted = bytes(CKA_ID, tag);
  if (functions->C_FindObjectsInit(session, &wanted, 1) != CKR_OK) return;
  std::array<CK_OBJECT_HANDLE, 2> found;
  CK_ULONG count = 0;
  const CK_RV rv = functions->C_FindObjects(session, found.data(), found.size(), &count);
  functions->C_FindObjectsFinal(session);
  if (rv != CKR_OK) return;
  for (std::size_t i = 0; i < std::min<std::size_t>(count, found.size()); ++i) {
    functions->C_DestroyObject(session, found[i]);
  }
}

CK_RV generate(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session, const KeySpec& spec,
               const KeyTemplates& templates, ByteView curve, KeyPairHandles& made) {
  const bool named = templates.name != nullptr;  // such a pair is found by its name, not by a tag
  Tag tag{};
  if (!named) fill_random(tag, "a key's CKA_ID");
  const ByteView id = named ? ByteView(templates.name->id()) : ByteView(tag);
  CK_ULONG modulus_bits = spec.bits;
  CK_BBOOL& stored = named ? yes : no;
  std::vector<CK_ATTRIBUTE> public_template = {flag(CKA_TOKEN, stored), flag(CKA_VERIFY, yes)};
  if (spec.type == CKK_RSA) {
    public_template.push_back({CKA_MODULUS_BITS, &modulus_bits, sizeof modulus_bits});
    public_template.push_back(bytes(CKA_PUBLIC_EXPONENT, kExponent));
  } else {
    public_template.push_back(bytes(CKA_EC_PARAMS, curve));
  }
  std::vector<CK_ATTRIBUTE> private_template = {flag(CKA_TOKEN, stored), flag(CKA_PRIVATE, yes),
                                                flag(CKA_SENSITIVE, yes), flag(CKA_EXTRACTABLE, no),
                                                flag(CKA_SIGN, yes)};
  if (templates.other_usages_off) {
    for (const CK_ATTRIBUTE_TYPE usage : {CKA_SIGN_RECOVER, CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE}) {
      private_template.push_back(flag(usage, no));
    }
  }
  for (std::vector<CK_ATTRIBUTE>* half : {&public_template, &private_template}) {
    if (named) half->push_back(bytes(CKA_LABEL, as_bytes(templates.name->label())));
    half->push_back(bytes(CKA_ID, id));
  }
  CK_MECHANISM mechanism = {generation_mechanism(spec.type).value(), nullptr, 0};
  CK_RV rv = functions->C_GenerateKeyPair(
      session, &mechanism, public_template.data(), public_template.size(), private_template.data(),
      private_template.size(), &made.public_key, &made.private_key);
  if (named) return rv;
  if (rv == CKR_OK) rv = check_tag(functions, session, made.private_key, tag);
  if (rv == CKR_OK) rv = check_tag(functions, session, made.public_key, tag);
  if (rv != CKR_OK) destroy_tagged(functions, session, tag);
  return rv;
}

bool refuses_curve_encoding(CK_RV rv) noexcept {
  return rv == CKR_CURVE_NOT_SUPPORTED || rv == CKR_DOMAIN_PARAMS_INVALID ||
         rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_TEMPLATE_INCONSISTENT;
}

[[noreturn]] void distrust(const std::string& why) {
  throw Error(CKR_DEVICE_ERROR,
              "the device made a key that can't be trusted, so it is destroyed: " + why);
}

void check_private_key(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session, CK_BBOOL stored,
                       CK_OBJECT_HANDLE key) {
  struct Demand {
    CK_ATTRIBUTE_TYPE type;
    CK_BBOOL value;
    const char* name;
  };
  constexpr std::size_t kDemands = 6;
  const std::array<Demand, kDemands> demands = {{
      {CKA_SENSITIVE, CK_TRUE, "CKA_SENSITIVE"},
      {CKA_ALWAYS_SENSITIVE, CK_TRUE, "CKA_ALWAYS_SENSITIVE"},
      {CKA_EXTRACTABLE, CK_FALSE, "CKA_EXTRACTABLE"},
      {CKA_NEVER_EXTRACTABLE, CK_TRUE, "CKA_NEVER_EXTRACTABLE"},
      {CKA_LOCAL, CK_TRUE, "CKA_LOCAL"},
      {CKA_TOKEN, stored, "CKA_TOKEN"},
  }};
  std::array<CK_BBOOL, kDemands> values;
  std::array<CK_ATTRIBUTE, kDemands> attributes;
  for (std::size_t i = 0; i < demands.size(); ++i) {
    values[i] = demands[i].value == CK_TRUE ? CK_FALSE : CK_TRUE;  // an untouched one must not pass
    attributes[i] = flag(demands[i].type, values[i]);
  }
  const CK_RV rv =
      functions->C_GetAttributeValue(session, key, attributes.data(), attributes.size());
  if (says_session_dead(rv) || says_device_away(rv)) check(rv, "reading a new key's attributes");
  for (std::size_t i = 0; i < demands.size(); ++i) {
    if (attributes[i].ulValueLen != sizeof(CK_BBOOL) || values[i] != demands[i].value) {
      distrust(std::string("its ") + demands[i].name + " is not as asked for");
    }
  }
  check(rv, "reading a new private key's attributes");
}

PublicKey read_point(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session, const KeySpec& spec,
                     CK_OBJECT_HANDLE key) {
  std::array<std::uint8_t, 256> point;
  CK_ATTRIBUTE attribute = {CKA_EC_POINT, point.data(), point.size()};
  check(functions->C_GetAttributeValue(session, key, &attribute, 1), "reading a new public key");
  if (attribute.ulValueLen > point.size()) distrust("its public point has an absurd length");
  const auto decoded = decode_ec_point(spec, ByteView(point).first(attribute.ulValueLen));
  if (!decoded) distrust("its public point is no point of the curve");
  return PublicKey::from_point(spec, *decoded);
}

PublicKey read_modulus(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                       const KeySpec& spec, CK_OBJECT_HANDLE key) {
  std::array<std::uint8_t, 2049> modulus;  // 16384 bits and a leading zero
  std::array<std::uint8_t, 64> exponent;
  std::array<CK_ATTRIBUTE, 2> attributes = {{
      {CKA_MODULUS, modulus.data(), modulus.size()},
      {CKA_PUBLIC_EXPONENT, exponent.data(), exponent.size()},
  }};
  check(functions->C_GetAttributeValue(session, key, attributes.data(), attributes.size()),
        "reading a new public key");
  if (attributes[0].ulValueLen > modulus.size() || attributes[1].ulValueLen > exponent.size()) {
    distrust("its modulus or exponent has an absurd length");
  }
  PublicKey result = PublicKey::from_rsa(ByteView(modulus).first(attributes[0].ulValueLen),
                                         ByteView(exponent).first(attributes[1].ulValueLen));
  if (result.spec() != spec) distrust("its modulus has not as many bits as asked for");
  if (!equal(result.exponent(), kExponent)) distrust("its exponent is not as asked for");
  return result;
}

}  // namespace

CK_RV generate_key_pair(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                        const KeySpec& spec, const KeyTemplates& templates, KeyPairHandles& made) {
  const CK_RV rv = generate(functions, session, spec, templates, ec_params(spec), made);
  if (spec.type != CKK_EC_EDWARDS || !refuses_curve_encoding(rv)) return rv;
  return generate(functions, session, spec, templates, kEd25519Name, made);
}

PublicKey inspect_key_pair(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                           const KeySpec& spec, bool stored, const KeyPairHandles& pair) {
  check_private_key(functions, session, stored ? CK_TRUE : CK_FALSE, pair.private_key);
  try {
    return spec.type == CKK_RSA ? read_modulus(functions, session, spec, pair.public_key)
                                : read_point(functions, session, spec, pair.public_key);
  } catch (const Error& error) {
    // PublicKey finds a caller's argument at fault; here it is the device's answer.
    if (error.rv() != CKR_ATTRIBUTE_VALUE_INVALID) throw;
    distrust(error.what());
  }
}

}  // namespace mayfly::pkcs11
