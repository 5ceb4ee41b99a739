// A login by PIN.
#pragma once

#include <atomic>

#include "base/secret.h"
#include "core/task.h"

namespace mayfly {

/// PinLogin compares with one PIN, in constant time, and locks after too many wrong ones in a row.
class PinLogin final : public Login {
 public:
  static constexpr unsigned kMaxWrong = 10;

  explicit PinLogin(SecretBuffer pin) : pin_(std::move(pin)) {}

  void check(ByteView pin) override;
  [[nodiscard]] CK_FLAGS token_flags() const noexcept override;

 private:
  const SecretBuffer pin_;
  std::atomic<unsigned> wrong_{0};
};

}  // namespace mayfly
