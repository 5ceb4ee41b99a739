// Where the keys of one owner are made.
#pragma once

#include <memory>
#include <mutex>

#include "device/device.h"
#include "device/pkcs11/device_context.h"
#include "device/pkcs11/key_generation.h"
#include "device/pkcs11/key_record.h"

namespace mayfly::pkcs11 {

/// Makes keys in a session of its own, which is opened for the first key and closed with the last.
/// When the device has too few sessions, scopes share one.
class Pkcs11Scope final : public KeyScope, public std::enable_shared_from_this<Pkcs11Scope> {
 public:
  explicit Pkcs11Scope(std::shared_ptr<DeviceContext> context) noexcept;
  ~Pkcs11Scope() override;

  std::unique_ptr<DeviceKey> generate(const KeySpec& spec, const LastCheck& last_check) override;

 private:
  void choose_session();
  std::unique_ptr<DeviceKey> try_generate(const KeySpec& spec, const LastCheck& last_check,
                                          KeyRecords& record);
  std::unique_ptr<DeviceKey> take_over(const KeySpec& spec, const NewKeyPair& made,
                                       KeyRecords& record);
  bool may_retry(CK_RV rv);

  std::shared_ptr<DeviceContext> context_;
  std::mutex mutex_;  // before a session's
  std::shared_ptr<DeviceSession> session_;
};

}  // namespace mayfly::pkcs11
