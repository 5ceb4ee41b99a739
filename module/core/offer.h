// What a task's token offers.
#pragma once

#include <vector>

#include "base/mechanism.h"
#include "core/task_policy.h"
#include "device/device.h"

namespace mayfly {

/// Offer is what a device can do, cut down to what a policy allows. What is not in it is not listed
/// and does not work. Digests need neither.
class Offer {
 public:
  /// Both outlive it.
  Offer(const Device& device, const TaskPolicy& policy) noexcept
      : device_(device), policy_(policy) {}

  /// Whether key pairs of this kind can be made.
  [[nodiscard]] bool includes(const KeySpec& spec) const noexcept {
    return policy_.keys.contains(spec) && device_.supports(spec);
  }
  /// A mechanism that signs goes with a kind of keys that can be made; one that makes keys with a
  /// mechanism that they can sign with.
  [[nodiscard]] bool includes(const Mechanism& mechanism) const noexcept;

  /// In the order of the table of mechanisms.
  [[nodiscard]] std::vector<CK_MECHANISM_TYPE> mechanisms() const;

  /// What C_GetMechanismInfo tells of a mechanism.
  /// @throws Error CKR_MECHANISM_INVALID if it is not offered.
  [[nodiscard]] CK_MECHANISM_INFO info(CK_MECHANISM_TYPE type) const;

  /// The row of an offered mechanism of the given use.
  /// @throws Error CKR_MECHANISM_INVALID otherwise.
  [[nodiscard]] const Mechanism& require(CK_MECHANISM_TYPE type, MechanismUse use) const;

 private:
  [[nodiscard]] bool has_keys(CK_KEY_TYPE type) const noexcept;
  [[nodiscard]] bool lets_sign(CK_KEY_TYPE type) const noexcept;

  const Device& device_;
  const TaskPolicy& policy_;
};

}  // namespace mayfly
