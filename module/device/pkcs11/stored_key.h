// A private key that is a token object of the device.
#pragma once

#include <memory>
#include <mutex>

#include "device/device.h"
#include "device/pkcs11/device_context.h"
#include "device/pkcs11/sign_call.h"

namespace mayfly::pkcs11 {

/// Signs in borrowed sessions. Its handle is looked up anew when the device has lost a session: a
/// handle may name somebody else's key after a restart of the device.
class StoredKey final : public DeviceKey {
 public:
  /// Where the private key was found. A handle means what it meant only in sessions that are not
  /// younger, and while no session was lost.
  struct Whereabouts {
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    std::uint64_t losses = 0;   ///< SessionPool::losses() before
    std::uint64_t session = 0;  ///< DeviceSession::number
  };

  /// @param scope  Lives as long as the key does.
  /// @param entry  Of a key pair that passed inspection.
  StoredKey(std::shared_ptr<DeviceContext> context, std::shared_ptr<const void> scope,
            std::shared_ptr<StoredKeyEntry> entry, const Whereabouts& whereabouts,
            PublicKey public_key);
  ~StoredKey() override;

  [[nodiscard]] const PublicKey& public_key() const noexcept override { return public_key_; }
  std::size_t sign(const SignRequest& request, ByteSpan out) override;
  Destruction destroy() noexcept override;

 private:
  [[nodiscard]] CK_RV try_sign(SignCall& call, ByteSpan out, CK_ULONG& size);
  [[nodiscard]] CK_OBJECT_HANDLE handle(const DeviceSession& session);
  void forget_handle();

  std::shared_ptr<DeviceContext> context_;
  PublicKey public_key_;

  std::mutex destroying_;
  std::shared_ptr<const void> scope_;
  std::shared_ptr<StoredKeyEntry> entry_;

  std::mutex finding_;
  Whereabouts whereabouts_;  // guarded by finding_
};

}  // namespace mayfly::pkcs11
