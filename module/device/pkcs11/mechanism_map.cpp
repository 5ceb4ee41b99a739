#include "device/pkcs11/mechanism_map.h"

#include <algorithm>

#include "base/error.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {
namespace {

constexpr CK_ULONG kMaxMechanisms = 65'536;  // the number comes from the other side

struct HashRow {
  Hash hash;
  CK_MECHANISM_TYPE ecdsa;
  CK_MECHANISM_TYPE rsa_pkcs1;
  CK_MECHANISM_TYPE rsa_pss;
};

// In the order of the enumerators of Hash.
constexpr std::array<HashRow, 5> kHashRows = {{
    {Hash::none, 0, 0, 0},
    {Hash::sha224, CKM_ECDSA_SHA224, CKM_SHA224_RSA_PKCS, CKM_SHA224_RSA_PKCS_PSS},
    {Hash::sha256, CKM_ECDSA_SHA256, CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS},
    {Hash::sha384, CKM_ECDSA_SHA384, CKM_SHA384_RSA_PKCS, CKM_SHA384_RSA_PKCS_PSS},
    {Hash::sha512, CKM_ECDSA_SHA512, CKM_SHA512_RSA_PKCS, CKM_SHA512_RSA_PKCS_PSS},
}};

const HashRow& row_of(Hash hash) noexcept { return kHashRows[static_cast<std::size_t>(hash)]; }

constexpr std::array<Scheme, 4> kSchemeList = {Scheme::ecdsa, Scheme::eddsa, Scheme::rsa_pkcs1,
                                               Scheme::rsa_pss};

CK_MECHANISM_TYPE raw_mechanism(Scheme scheme) noexcept {
  switch (scheme) {
    case Scheme::ecdsa:
      return CKM_ECDSA;
    case Scheme::eddsa:
      return CKM_EDDSA;
    case Scheme::rsa_pkcs1:
      return CKM_RSA_PKCS;
    case Scheme::rsa_pss:
      break;
  }
  return CKM_RSA_PKCS_PSS;
}

CK_MECHANISM_TYPE hashing_mechanism(Scheme scheme, const HashRow& row) noexcept {
  if (scheme == Scheme::ecdsa) return row.ecdsa;
  return scheme == Scheme::rsa_pkcs1 ? row.rsa_pkcs1 : row.rsa_pss;
}

std::vector<CK_MECHANISM_TYPE> list_mechanisms(CK_FUNCTION_LIST_PTR functions, CK_SLOT_ID slot) {
  CK_ULONG count = 0;
  check(functions->C_GetMechanismList(slot, nullptr, &count), "listing the device's mechanisms");
  if (count > kMaxMechanisms) {
    throw Error(CKR_DEVICE_ERROR, "the device claims to have too many mechanisms");
  }
  std::vector<CK_MECHANISM_TYPE> types(count);
  if (count == 0) return types;
  check(functions->C_GetMechanismList(slot, types.data(), &count),
        "listing the device's mechanisms");
  types.resize(std::min<std::size_t>(count, types.size()));
  return types;
}

bool signs_or_makes_keys(const CK_MECHANISM_INFO& info) noexcept {
  return (info.flags & (CKF_SIGN | CKF_GENERATE_KEY_PAIR)) != 0;
}

}  // namespace

std::optional<CK_MECHANISM_TYPE> generation_mechanism(CK_KEY_TYPE type) noexcept {
  switch (type) {
    case CKK_EC:
      return CKM_EC_KEY_PAIR_GEN;
    case CKK_EC_EDWARDS:
      return CKM_EC_EDWARDS_KEY_PAIR_GEN;
    case CKK_RSA:
      return CKM_RSA_PKCS_KEY_PAIR_GEN;
    default:
      return std::nullopt;
  }
}

MechanismMap::MechanismMap(CK_FUNCTION_LIST_PTR functions, CK_SLOT_ID slot) {
  for (const CK_MECHANISM_TYPE type : list_mechanisms(functions, slot)) {
    Offer offer{type, {}};
    const CK_RV rv = functions->C_GetMechanismInfo(slot, type, &offer.info);
    if (rv == CKR_MECHANISM_INVALID) continue;  // some list what they don't have
    check(rv, "asking for the device's mechanisms");
    if (!signs_or_makes_keys(offer.info)) continue;
    offers_.push_back(offer);
    hardware_ = hardware_ || (offer.info.flags & CKF_HW) != 0;
  }
  for (const Scheme scheme : kSchemeList) {
    for (const HashRow& row : kHashRows) {
      plans_[static_cast<std::size_t>(scheme)][static_cast<std::size_t>(row.hash)] =
          make_plan(scheme, row.hash);
    }
  }
}

const MechanismMap::Offer* MechanismMap::find(CK_MECHANISM_TYPE type,
                                              CK_FLAGS purpose) const noexcept {
  for (const Offer& offer : offers_) {
    if (offer.type == type && (offer.info.flags & purpose) != 0) return &offer;
  }
  return nullptr;
}

CK_RV MechanismMap::obstacle(const KeySpec& spec) const noexcept {
  const auto mechanism = generation_mechanism(spec.type);
  const Offer* offer = mechanism ? find(*mechanism, CKF_GENERATE_KEY_PAIR) : nullptr;
  if (offer == nullptr) return CKR_MECHANISM_INVALID;
  const bool curve = spec.type != CKK_RSA;
  if (curve && ec_params(spec).empty()) return CKR_CURVE_NOT_SUPPORTED;
  // Devices disagree whether Ed25519 has 255 bits, as the standard counts, or 256.
  const CK_ULONG least = spec.bits;
  const CK_ULONG most = spec.type == CKK_EC_EDWARDS ? spec.bits + 1 : spec.bits;
  const bool told = offer->info.ulMaxKeySize != 0;
  if (told && (most < offer->info.ulMinKeySize || least > offer->info.ulMaxKeySize)) {
    return curve ? CKR_CURVE_NOT_SUPPORTED : CKR_KEY_SIZE_RANGE;
  }
  return CKR_OK;
}

SignPlan MechanismMap::make_plan(Scheme scheme, Hash hash) const noexcept {
  const CK_MECHANISM_TYPE raw = raw_mechanism(scheme);
  const bool has_raw = find(raw, CKF_SIGN) != nullptr;
  if (scheme == Scheme::eddsa) {
    return has_raw && hash == Hash::none ? SignPlan{SignInput::message, raw} : SignPlan{};
  }
  if (hash == Hash::none && scheme == Scheme::rsa_pss) return {};
  if (has_raw) return {SignInput::digest, raw};
  if (hash == Hash::none) return {};
  const CK_MECHANISM_TYPE hashing = hashing_mechanism(scheme, row_of(hash));
  return find(hashing, CKF_SIGN) != nullptr ? SignPlan{SignInput::message, hashing} : SignPlan{};
}

const SignPlan& MechanismMap::plan(Scheme scheme, Hash hash) const noexcept {
  return plans_[static_cast<std::size_t>(scheme)][static_cast<std::size_t>(hash)];
}

}  // namespace mayfly::pkcs11
