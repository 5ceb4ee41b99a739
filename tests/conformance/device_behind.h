// The device behind the module under test, seen behind mayfly's back.
#pragma once

#include <cstddef>
#include <string>

#include "base/pkcs11.h"
#include "support/softhsm_token.h"

namespace mayfly::test {

/// DeviceBehind models the device of this process: one for all tests in it, since making one takes
/// longer than most of them.
class DeviceBehind {
 public:
  virtual ~DeviceBehind() = default;
  DeviceBehind() = default;
  DeviceBehind(const DeviceBehind&) = delete;
  DeviceBehind& operator=(const DeviceBehind&) = delete;

  /// What a mayfly.toml says of it.
  [[nodiscard]] virtual std::string config() const = 0;

  /// Objects of a class on it. A TPM shows only what is loaded: there, that none is can be told,
  /// but not how many there are.
  [[nodiscard]] virtual std::size_t count(CK_OBJECT_CLASS object_class) = 0;

  /// Key objects on it, both halves.
  [[nodiscard]] std::size_t keys() { return count(CKO_PRIVATE_KEY) + count(CKO_PUBLIC_KEY); }

  /// What it holds though nobody uses it any more.
  [[nodiscard]] virtual std::size_t leftovers() = 0;

  /// Whether a mechanism that mayfly knows is not there on this device.
  [[nodiscard]] virtual bool lacks(CK_MECHANISM_TYPE mechanism) const = 0;

  /// Whether it gives evidence of its keys.
  [[nodiscard]] virtual bool attests() const = 0;
};

/// SoftHSM2, or a TPM where MAYFLY_TEST_DEVICE=tpm.
[[nodiscard]] DeviceBehind& device_behind();

/// SoftHSM2's token, for tests of what only such a device has.
[[nodiscard]] const SoftHsmToken& device_token();

}  // namespace mayfly::test
