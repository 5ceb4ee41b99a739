// A login by PIN.
#pragma once

#include <atomic>
#include <memory>

#include "base/secret.h"
#include "core/task.h"

namespace mayfly {

/// PinLogin compares with a PIN, in constant time, and locks after too many wrong ones in a row.
/// Each task has one of its own, so that who locks one task's login does not lock another's.
class PinLogin final : public Login {
 public:
  static constexpr unsigned kMaxWrong = 10;

  explicit PinLogin(std::shared_ptr<const SecretBuffer> pin) : pin_(std::move(pin)) {}

  void check(ByteView pin) override;
  [[nodiscard]] CK_FLAGS token_flags() const noexcept override;

 private:
  const std::shared_ptr<const SecretBuffer> pin_;
  std::atomic<unsigned> wrong_{0};
};

}  // namespace mayfly
