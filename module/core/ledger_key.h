// The key that seals a task's ledger.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "core/session_key.h"
#include "device/device.h"

namespace mayfly {

/// Signs a statement of a ledger (ledger/statement.h) with a key of a device.
/// @return nothing if the device can't sign statements with keys of this kind.
/// @throws Error what the device answers.
[[nodiscard]] std::optional<Bytes> sign_statement(const Device& device, SessionKey& key,
                                                  std::string_view statement);

/// LedgerKey is a key pair in the device that no client ever sees. Its owner destroys it.
class LedgerKey {
 public:
  /// Makes one, of the first kind that the device has and can sign statements with.
  /// @param owner  Its deadline is that of the key, where the device enforces it.
  /// @throws Error CKR_FUNCTION_NOT_SUPPORTED if there is none, and what KeyScope::generate() says.
  LedgerKey(Device& device, const ScopeOwner& owner);

  [[nodiscard]] const PublicKey& public_key() const noexcept { return key_->public_key(); }
  /// @throws Error what the device answers.
  [[nodiscard]] Bytes sign(std::string_view statement);
  Destruction destroy() noexcept { return key_->destroy(); }

 private:
  Device& device_;
  std::shared_ptr<KeyScope> scope_;
  std::unique_ptr<SessionKey> key_;
};

}  // namespace mayfly
