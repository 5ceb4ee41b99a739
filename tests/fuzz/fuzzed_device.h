// The device that stays the same for all inputs of a target.
#pragma once

#include <filesystem>
#include <string>

#include "support/softhsm_token.h"

namespace mayfly::test {

/// A SoftHSM2 token, and mayfly.toml files over it that log nothing.
class FuzzedDevice {
 public:
  /// What clients log in with where it is required.
  static constexpr const char* kClientPin = "a client's PIN";

  FuzzedDevice();

  /// Writes a mayfly.toml.
  /// @param extra  More of it, behind [login].
  std::filesystem::path write_config(bool login_required, const std::string& extra = "") const;

  /// Private keys that the device holds now, asked of SoftHSM2 itself.
  [[nodiscard]] std::size_t private_keys() const { return token_.count_objects(CKO_PRIVATE_KEY); }
  /// Key objects that the device holds now, both halves.
  [[nodiscard]] std::size_t keys() const {
    return private_keys() + token_.count_objects(CKO_PUBLIC_KEY);
  }

 private:
  SoftHsmToken token_;
  TempFolder folder_;
};

}  // namespace mayfly::test
