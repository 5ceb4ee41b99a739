// A private key that is a session object of the device.
#pragma once

#include <memory>

#include "device/device.h"
#include "device/pkcs11/device_context.h"
#include "device/pkcs11/key_record.h"
#include "device/pkcs11/sign_call.h"

namespace mayfly::pkcs11 {

/// Signs in the session that the key lives in when nobody uses that, else in a borrowed one.
class Pkcs11Key final : public DeviceKey {
 public:
  /// @param record  The one record of a key pair that passed inspection; taken over.
  Pkcs11Key(std::shared_ptr<DeviceContext> context, KeyRecords& record, PublicKey public_key);
  ~Pkcs11Key() override;

  [[nodiscard]] const PublicKey& public_key() const noexcept override { return public_key_; }
  std::size_t sign(const SignRequest& request, ByteSpan out) override;
  Destruction destroy() noexcept override;

 private:
  struct Result {
    CK_RV rv;
    CK_ULONG size;
  };

  [[nodiscard]] bool lost() const noexcept;
  Result sign_somewhere(SignCall& call, ByteSpan out);
  Result sign_at_home(SignCall& call, ByteSpan out);
  Result run(SignCall& call, CK_SESSION_HANDLE session, ByteSpan out);
  [[nodiscard]] bool outlived(const DeviceSession& younger);
  [[noreturn]] void fail(CK_RV rv);

  std::shared_ptr<DeviceContext> context_;
  std::mutex destroying_;  // before the session's
  KeyRecords handover_;    // record_ in a list node; empty once it is handed over
  std::shared_ptr<KeyRecord> record_;
  PublicKey public_key_;
  std::atomic<bool> lost_{false};
};

}  // namespace mayfly::pkcs11
