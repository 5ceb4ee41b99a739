#include "core/offer.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/error.h"

namespace mayfly {

bool Offer::has_keys(CK_KEY_TYPE type) const noexcept {
  return std::ranges::any_of(
      known_key_specs(), [&](const KeySpec& spec) { return spec.type == type && includes(spec); });
}

bool Offer::lets_sign(CK_KEY_TYPE type) const noexcept {
  return std::ranges::any_of(known_mechanisms(), [&](const Mechanism& row) {
    return row.use == MechanismUse::sign && row.key_type == type &&
           policy_.mechanisms.contains(row);
  });
}

bool Offer::includes(const Mechanism& mechanism) const noexcept {
  switch (mechanism.use) {
    case MechanismUse::digest:
      return true;
    case MechanismUse::generate:
      return has_keys(mechanism.key_type) && lets_sign(mechanism.key_type);
    case MechanismUse::sign:
      break;
  }
  // A raw PSS signature is made over a digest of some hash: any will do to be of use.
  const Hash hash = mechanism.scheme == Scheme::rsa_pss && mechanism.hash == Hash::none
                        ? Hash::sha256
                        : mechanism.hash;
  return policy_.mechanisms.contains(mechanism) && has_keys(mechanism.key_type) &&
         device_.sign_input(mechanism.scheme, hash) != SignInput::unsupported;
}

std::vector<CK_MECHANISM_TYPE> Offer::mechanisms() const {
  std::vector<CK_MECHANISM_TYPE> result;
  for (const Mechanism& mechanism : known_mechanisms()) {
    if (includes(mechanism)) result.push_back(mechanism.type);
  }
  return result;
}

CK_MECHANISM_INFO Offer::info(CK_MECHANISM_TYPE type) const {
  const Mechanism* mechanism = find_mechanism(type);
  if (mechanism == nullptr || !includes(*mechanism)) {
    throw Error(CKR_MECHANISM_INVALID, "the mechanism is not offered");
  }
  CK_MECHANISM_INFO info{};
  switch (mechanism->use) {
    case MechanismUse::digest:
      info.flags = CKF_DIGEST;
      return info;
    case MechanismUse::generate:
      info.flags = CKF_GENERATE_KEY_PAIR;
      break;
    case MechanismUse::sign:
      info.flags = CKF_SIGN | CKF_VERIFY | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY;
      break;
  }
  if (device_.info().hardware) info.flags |= CKF_HW;
  if (mechanism->key_type != CKK_RSA) {
    info.flags |= CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;
  }
  info.ulMinKeySize = std::numeric_limits<CK_ULONG>::max();
  for (const KeySpec& spec : known_key_specs()) {
    if (spec.type != mechanism->key_type || !includes(spec)) continue;
    info.ulMinKeySize = std::min<CK_ULONG>(info.ulMinKeySize, spec.bits);
    info.ulMaxKeySize = std::max<CK_ULONG>(info.ulMaxKeySize, spec.bits);
  }
  return info;
}

const Mechanism& Offer::require(CK_MECHANISM_TYPE type, MechanismUse use) const {
  const Mechanism* mechanism = find_mechanism(type);
  if (mechanism == nullptr || mechanism->use != use || !includes(*mechanism)) {
    throw Error(CKR_MECHANISM_INVALID,
                "mechanism " + (mechanism == nullptr ? std::to_string(type) : mechanism->name) +
                    " is not offered for this");
  }
  return *mechanism;
}

}  // namespace mayfly
