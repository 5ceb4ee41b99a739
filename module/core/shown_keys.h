// Which keys an application is shown.
#pragma once

#include <optional>
#include <vector>

#include "core/object.h"
#include "core/offer.h"

namespace mayfly {

/// ShownKeys says what an application of a task can be shown, where its client would not survive
/// the sight of some: objects of a key type that is left out can't be found or made, and its
/// mechanisms are not offered.
class ShownKeys {
 public:
  /// All that the device has.
  ShownKeys() noexcept = default;
  [[nodiscard]] static ShownKeys all_but(CK_KEY_TYPE left_out) noexcept {
    ShownKeys result;
    result.left_out_ = left_out;
    return result;
  }

  [[nodiscard]] bool include(const Object& object) const noexcept {
    return !left_out_ || object.key_type() != left_out_;
  }
  [[nodiscard]] bool include(const Mechanism& mechanism) const noexcept {
    return mechanism.key_type != left_out_;
  }

  /// As Offer::mechanisms().
  [[nodiscard]] std::vector<CK_MECHANISM_TYPE> mechanisms(const Offer& offer) const;
  /// As Offer::info().
  [[nodiscard]] CK_MECHANISM_INFO mechanism_info(CK_MECHANISM_TYPE type, const Offer& offer) const;
  /// As Offer::require().
  [[nodiscard]] const Mechanism& require_mechanism(CK_MECHANISM_TYPE type, MechanismUse use,
                                                   const Offer& offer) const;

 private:
  std::optional<CK_KEY_TYPE> left_out_;
};

}  // namespace mayfly
