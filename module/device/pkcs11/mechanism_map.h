// Which of the device's mechanisms make keys and signatures.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/public_key.h"
#include "device/device.h"

namespace mayfly::pkcs11 {

/// How a signature is made: with which mechanism, and whether that wants the digest or the message.
struct SignPlan {
  SignInput input = SignInput::unsupported;
  CK_MECHANISM_TYPE mechanism = 0;
};

/// The mechanism that makes key pairs of a type.
[[nodiscard]] std::optional<CK_MECHANISM_TYPE> generation_mechanism(CK_KEY_TYPE type) noexcept;

/// What C_GetMechanismList and C_GetMechanismInfo said, read once.
class MechanismMap {
 public:
  /// @throws Error what the device answered.
  MechanismMap(CK_FUNCTION_LIST_PTR functions, CK_SLOT_ID slot);

  /// Whether key pairs of this kind can be made.
  [[nodiscard]] bool supports(const KeySpec& spec) const noexcept {
    return obstacle(spec) == CKR_OK;
  }

  /// Why key pairs of this kind can't be made: CKR_MECHANISM_INVALID, CKR_CURVE_NOT_SUPPORTED or
  /// CKR_KEY_SIZE_RANGE; CKR_OK when they can.
  [[nodiscard]] CK_RV obstacle(const KeySpec& spec) const noexcept;

  /// How to sign so: with the raw mechanism on a digest if the device has that, since then the
  /// message never travels; else with the one that hashes.
  [[nodiscard]] const SignPlan& plan(Scheme scheme, Hash hash) const noexcept;

  /// Whether any of them claims to run in hardware (CKF_HW).
  [[nodiscard]] bool hardware() const noexcept { return hardware_; }

 private:
  static constexpr std::size_t kSchemes = 4;
  static constexpr std::size_t kHashes = 5;

  struct Offer {
    CK_MECHANISM_TYPE type;
    CK_MECHANISM_INFO info;
  };

  [[nodiscard]] const Offer* find(CK_MECHANISM_TYPE type, CK_FLAGS purpose) const noexcept;
  [[nodiscard]] SignPlan make_plan(Scheme scheme, Hash hash) const noexcept;

  std::vector<Offer> offers_;
  std::array<std::array<SignPlan, kHashes>, kSchemes> plans_{};
  bool hardware_ = false;
};

}  // namespace mayfly::pkcs11
