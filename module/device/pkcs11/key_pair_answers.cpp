#include "device/pkcs11/key_pair_answers.h"

#include "base/error.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/key_generation.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {
namespace {

/// What the private half must say of itself.
std::array<KeyPairAnswers::Demand, 6> demands(bool stored) {
  return {{
      {CKA_SENSITIVE, CK_TRUE, "CKA_SENSITIVE"},
      {CKA_ALWAYS_SENSITIVE, CK_TRUE, "CKA_ALWAYS_SENSITIVE"},
      {CKA_EXTRACTABLE, CK_FALSE, "CKA_EXTRACTABLE"},
      {CKA_NEVER_EXTRACTABLE, CK_TRUE, "CKA_NEVER_EXTRACTABLE"},
      {CKA_LOCAL, CK_TRUE, "CKA_LOCAL"},
      {CKA_TOKEN, stored ? CK_BBOOL{CK_TRUE} : CK_BBOOL{CK_FALSE}, "CKA_TOKEN"},
  }};
}

[[noreturn]] void distrust(const std::string& why) {
  throw Error(CKR_DEVICE_ERROR,
              "the device made a key that can't be trusted, so it is destroyed: " + why);
}

bool is_lost(CK_RV rv) noexcept {
  return says_session_dead(rv) || says_device_away(rv) || rv == CKR_USER_NOT_LOGGED_IN;
}

}  // namespace

CK_RV KeyPairAnswers::read(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                           CK_KEY_TYPE type, bool stored, const KeyPairHandles& pair) {
  demands_ = demands(stored);
  std::array<CK_ATTRIBUTE, kFlags + 1> wanted;
  for (std::size_t i = 0; i < kFlags; ++i) {
    wanted[i] = flags_[i].wanted(demands_[i].type);
    flags_[i].bytes[0] = demands_[i].value == CK_TRUE ? CK_FALSE : CK_TRUE;  // untouched is wrong
  }
  wanted.back() = private_id_.wanted(CKA_ID);
  // The last one is left out where the pair is known by its name.
  const CK_ULONG unasked = stored ? 1 : 0;
  private_rv_ = functions->C_GetAttributeValue(session, pair.private_key, wanted.data(),
                                               wanted.size() - unasked);
  if (is_lost(private_rv_)) return private_rv_;
  for (std::size_t i = 0; i < kFlags; ++i) flags_[i].size = wanted[i].ulValueLen;
  private_id_.size = wanted.back().ulValueLen;

  std::array<CK_ATTRIBUTE, 3> half;
  CK_ULONG count = 0;
  if (type == CKK_RSA) {
    half[count++] = modulus_.wanted(CKA_MODULUS);
    half[count++] = exponent_.wanted(CKA_PUBLIC_EXPONENT);
  } else {
    half[count++] = point_.wanted(CKA_EC_POINT);
  }
  half[count++] = public_id_.wanted(CKA_ID);
  public_rv_ =
      functions->C_GetAttributeValue(session, pair.public_key, half.data(), count - unasked);
  if (is_lost(public_rv_)) return public_rv_;
  if (type == CKK_RSA) {
    modulus_.size = half[0].ulValueLen;
    exponent_.size = half[1].ulValueLen;
  } else {
    point_.size = half[0].ulValueLen;
  }
  public_id_.size = half[count - 1].ulValueLen;
  return CKR_OK;
}

bool KeyPairAnswers::has_id(ByteView id) const noexcept {
  return private_id_.known() && equal(private_id_.view(), id) && public_id_.known() &&
         equal(public_id_.view(), id);
}

PublicKey KeyPairAnswers::judge(const KeySpec& spec) const {
  judge_private_key();
  check(public_rv_, "reading a new public key");
  try {
    return spec.type == CKK_RSA ? read_modulus(spec) : read_point(spec);
  } catch (const Error& error) {
    // PublicKey finds a caller's argument at fault; here it is the device's answer.
    if (error.rv() != CKR_ATTRIBUTE_VALUE_INVALID) throw;
    distrust(error.what());
  }
}

void KeyPairAnswers::judge_private_key() const {
  for (std::size_t i = 0; i < kFlags; ++i) {
    if (flags_[i].size != sizeof(CK_BBOOL) || flags_[i].bytes[0] != demands_[i].value) {
      distrust(std::string("its ") + demands_[i].name + " is not as asked for");
    }
  }
  check(private_rv_, "reading a new private key's attributes");
}

PublicKey KeyPairAnswers::read_point(const KeySpec& spec) const {
  if (!point_.known()) distrust("its public point has an absurd length");
  const auto decoded = decode_ec_point(spec, point_.view());
  if (!decoded) distrust("its public point is no point of the curve");
  return PublicKey::from_point(spec, *decoded);
}

PublicKey KeyPairAnswers::read_modulus(const KeySpec& spec) const {
  if (!modulus_.known() || !exponent_.known()) {
    distrust("its modulus or exponent has an absurd length");
  }
  PublicKey result = PublicKey::from_rsa(modulus_.view(), exponent_.view());
  if (result.spec() != spec) distrust("its modulus has not as many bits as asked for");
  if (!equal(result.exponent(), kPublicExponent)) distrust("its exponent is not as asked for");
  return result;
}

}  // namespace mayfly::pkcs11
