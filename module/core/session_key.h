// A key pair of a task while it lives.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "device/device.h"

namespace mayfly {

/// SessionKey guards a DeviceKey's life: many threads may sign with it, several objects may name
/// it, and destroy() first shuts the door, then waits for those inside, then destroys the key.
class SessionKey {
 public:
  explicit SessionKey(std::unique_ptr<DeviceKey> key) : key_(std::move(key)) {}

  /// Permission to use the key until it goes out of scope; destroy() waits for it.
  class Use {
   public:
    /// @throws Error CKR_OPERATION_NOT_INITIALIZED when the key is being destroyed or is gone.
    explicit Use(SessionKey& key);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    std::size_t sign(const SignRequest& request, ByteSpan out) {
      return key_.key_->sign(request, out);
    }
    attestation::DeviceEvidence attest(const DeviceKey::Challenge& challenge) {
      return key_.key_->attest(challenge);
    }

   private:
    SessionKey& key_;
  };

  [[nodiscard]] const PublicKey& public_key() const noexcept { return key_->public_key(); }

  /// The key's thumbprint in hexadecimal, once a ledger knows the key; else empty.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Before others see the key.
  void set_name(std::string name) noexcept { name_ = std::move(name); }

  /// One more object names the key. False when the last name is gone already.
  [[nodiscard]] bool add_name() noexcept;
  /// An object that names the key is gone.
  /// @return whether it was the last: the caller then destroys the key.
  [[nodiscard]] bool drop_name() noexcept;

  /// Destroys the key in the device. Later calls, from any thread, wait for the first one's answer.
  Destruction destroy() noexcept;

 private:
  // The top bit says that the door is shut, the rest counts the uses inside.
  static constexpr std::uint32_t kShut = 0x80000000;

  std::unique_ptr<DeviceKey> key_;
  std::string name_;
  std::atomic<std::uint32_t> uses_{0};
  std::atomic<std::uint32_t> names_{1};
  enum Outcome : std::uint32_t { kUnknown, kDestroyed, kPending };
  std::atomic<std::uint32_t> outcome_{kUnknown};
};

}  // namespace mayfly
