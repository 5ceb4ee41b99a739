// What the parts of one open device share.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/fork_epoch.h"
#include "device/pkcs11/login.h"
#include "device/pkcs11/mechanism_map.h"
#include "device/pkcs11/pending_keys.h"
#include "device/pkcs11/session_pool.h"
#include "device/pkcs11/stored_keys.h"
#include "device/pkcs11/token_search.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {

/// One token of a vendor's module, open. Shared by the device, its scopes and its keys, which may
/// be dropped in any order.
struct DeviceContext {
  DeviceContext(CK_FUNCTION_LIST_PTR function_list, const Token& token, std::size_t max_sessions,
                std::function<SecretBuffer()> fetch_pin, std::shared_ptr<KeyJournal> journal,
                bool switch_other_usages_off)
      : functions(function_list),
        mechanisms(functions, token.slot),
        login(functions, token, std::move(fetch_pin)),
        sessions(functions, token.slot, max_sessions),
        stored(journal == nullptr ? nullptr
                                  : std::make_unique<StoredKeys>(functions, token, sessions, login,
                                                                 std::move(journal))),
        other_usages_off(switch_other_usages_off) {}

  const CK_FUNCTION_LIST_PTR functions;
  const MechanismMap mechanisms;
  Login login;
  SessionPool sessions;
  PendingKeys pending;
  const std::unique_ptr<StoredKeys> stored;  ///< null without a journal: then nothing is stored
  const bool other_usages_off;
  std::atomic<std::size_t> open_scopes{0};
  std::atomic<bool> closed{false};

  /// Whether calls may reach the device: it is open, and this is the process that opened it. What a
  /// forked child has of its parent's device is a copy that must not be used.
  [[nodiscard]] bool usable() const noexcept { return !closed && epoch_ == ForkEpoch::current(); }

 private:
  const std::uint64_t epoch_ = ForkEpoch::current();
};

}  // namespace mayfly::pkcs11
