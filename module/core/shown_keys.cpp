#include "core/shown_keys.h"

#include "base/error.h"

namespace mayfly {

std::vector<CK_MECHANISM_TYPE> ShownKeys::mechanisms(const Offer& offer) const {
  std::vector<CK_MECHANISM_TYPE> result = offer.mechanisms();
  std::erase_if(result, [this](CK_MECHANISM_TYPE type) { return !include(*find_mechanism(type)); });
  return result;
}

CK_MECHANISM_INFO ShownKeys::mechanism_info(CK_MECHANISM_TYPE type, const Offer& offer) const {
  const Mechanism* const mechanism = find_mechanism(type);
  if (mechanism != nullptr && !include(*mechanism)) {
    throw Error(CKR_MECHANISM_INVALID, "the mechanism is not offered to this client");
  }
  return offer.info(type);
}

const Mechanism& ShownKeys::require_mechanism(CK_MECHANISM_TYPE type, MechanismUse use,
                                              const Offer& offer) const {
  const Mechanism& mechanism = offer.require(type, use);
  if (!include(mechanism)) {
    throw Error(CKR_MECHANISM_INVALID,
                std::string(mechanism.name) + " is not offered to this client");
  }
  return mechanism;
}

}  // namespace mayfly
