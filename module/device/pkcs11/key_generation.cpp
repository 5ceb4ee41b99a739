#include "device/pkcs11/key_generation.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/random.h"
#include "base/safeguard.h"
#include "device/pkcs11/boolean_values.h"

namespace mayfly::pkcs11 {
namespace {

// Templates and parameters are only read by the device; the standard's structures predate const.

// PKCS#11 3.0, 2.3.10 lets a device want Ed25519 by OID (RFC 8410) or by this PrintableString.
constexpr std::uint8_t kEd25519Name[] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r',
                                         'd',  's',  '2', '5', '5', '1', '9'};

CK_ATTRIBUTE flag(CK_ATTRIBUTE_TYPE type, CK_BBOOL& value) { return {type, &value, sizeof value}; }

CK_ATTRIBUTE bytes(CK_ATTRIBUTE_TYPE type, ByteView value) {
  return {type, const_cast<std::uint8_t*>(value.data()), value.size()};
}

/// The CKA_ID of one pair of session objects, random, so that it can be told from all others even
/// when the device did not tell its handles, or wrong ones.
using Tag = std::array<std::uint8_t, KeyPairAnswers::kIdSize>;

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
               const KeyTemplates& templates, ByteView curve, NewKeyPair& made) {
  const bool named = templates.name != nullptr;  // such a pair is found by its name, not by a tag
  Tag tag{};
  if (!named) fill_random(tag, "a key's CKA_ID");
  const ByteView id = named ? ByteView(templates.name->id()) : ByteView(tag);
  CK_ULONG modulus_bits = spec.bits;
  CK_BBOOL& stored = named || !kept(Safeguard::device_cleanup) ? yes : no;
  std::vector<CK_ATTRIBUTE> public_template = {flag(CKA_TOKEN, stored), flag(CKA_VERIFY, yes)};
  if (spec.type == CKK_RSA) {
    public_template.push_back({CKA_MODULUS_BITS, &modulus_bits, sizeof modulus_bits});
    public_template.push_back(bytes(CKA_PUBLIC_EXPONENT, kPublicExponent));
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
      private_template.size(), &made.handles.public_key, &made.handles.private_key);
  if (named) return rv;
  if (rv == CKR_OK) {
    rv = made.answers.read(functions, session, spec.type, stored == CK_TRUE, made.handles);
  }
  if (rv == CKR_OK && kept(Safeguard::device_cleanup) && !made.answers.has_id(tag)) {
    rv = CKR_DEVICE_ERROR;  // objects of another pair
  }
  if (rv != CKR_OK) destroy_tagged(functions, session, tag);
  return rv;
}

bool refuses_curve_encoding(CK_RV rv) noexcept {
  return rv == CKR_CURVE_NOT_SUPPORTED || rv == CKR_DOMAIN_PARAMS_INVALID ||
         rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_TEMPLATE_INCONSISTENT;
}

}  // namespace

CK_RV generate_key_pair(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                        const KeySpec& spec, const KeyTemplates& templates, NewKeyPair& made) {
  const CK_RV rv = generate(functions, session, spec, templates, ec_params(spec), made);
  if (spec.type != CKK_EC_EDWARDS || !refuses_curve_encoding(rv)) return rv;
  return generate(functions, session, spec, templates, kEd25519Name, made);
}

}  // namespace mayfly::pkcs11
