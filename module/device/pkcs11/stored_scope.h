// Where token objects of one owner are made.
#pragma once

#include <memory>

#include "device/device.h"
#include "device/pkcs11/device_context.h"
#include "device/pkcs11/key_generation.h"

namespace mayfly::pkcs11 {

/// Makes keys as token objects. Each is written into the journal first; one that may have been made
/// although something failed is destroyed, or owed, before that failure is reported.
class StoredScope final : public KeyScope, public std::enable_shared_from_this<StoredScope> {
 public:
  StoredScope(std::shared_ptr<DeviceContext> context, ScopeOwner owner);
  ~StoredScope() override;

  std::unique_ptr<DeviceKey> generate(const KeySpec& spec, const LastCheck& last_check) override;

 private:
  std::unique_ptr<DeviceKey> try_generate(const KeySpec& spec, const LastCheck& last_check,
                                          std::shared_ptr<StoredKeyEntry>& entry);
  std::unique_ptr<DeviceKey> generate_in(const DeviceSession& session, const KeySpec& spec,
                                         const LastCheck& last_check,
                                         const std::shared_ptr<StoredKeyEntry>& entry);
  void abandon(const std::shared_ptr<StoredKeyEntry>& entry) noexcept;

  std::shared_ptr<DeviceContext> context_;
  const ScopeOwner owner_;
};

}  // namespace mayfly::pkcs11
