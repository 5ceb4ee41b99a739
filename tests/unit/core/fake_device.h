// A device that fails on demand. For faults that no real device can be made to have; everything
// else is tested against real ones.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "base/error.h"
#include "core/attributes.h"
#include "device/device.h"

namespace mayfly::test {

/// What tests have signed: the digest of nothing in particular.
inline const Bytes kSomeDigest(32, 0x11);

/// What happens inside a FakeDevice, and switches for it.
struct FakeDeviceState {
  std::atomic<int> living{0};             ///< keys made and not destroyed
  std::atomic<int> owed{0};               ///< of these, how many were dropped alive
  std::atomic<int> waiting{0};            ///< generations that wait for another of their scope
  std::atomic<int> asked{0};              ///< keys that were asked for
  std::atomic<int> signing{0};            ///< signatures under way
  std::atomic<int> signed_while_dead{0};  ///< signatures that met a destroyed key: must stay 0
  std::atomic<bool> refuse_destruction{false};
  std::atomic<bool> lose_keys{false};  ///< sign() answers CKR_DEVICE_REMOVED
  std::function<void()> on_sign;       ///< runs in the middle of each signature
  std::function<void()> on_generate;   ///< runs after each generation
};

/// A point of P-256 to show as every key's public half.
inline PublicKey some_public_key() {
  Bytes point(65);  // first: the group would be lost when there is no memory for it
  const EC_GROUP* group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  EC_POINT_point2oct(group, EC_GROUP_get0_generator(group), POINT_CONVERSION_UNCOMPRESSED,
                     point.data(), point.size(), nullptr);
  EC_GROUP_free(const_cast<EC_GROUP*>(group));
  return PublicKey::from_point({CKK_EC, 256}, point);
}

class FakeKey final : public DeviceKey {
 public:
  explicit FakeKey(FakeDeviceState& state) : state_(state) { ++state_.living; }
  ~FakeKey() override {
    if (!dead_) ++state_.owed;
  }

  [[nodiscard]] const PublicKey& public_key() const noexcept override { return public_key_; }
  std::size_t sign(const SignRequest&, ByteSpan out) override {
    ++state_.signing;
    if (state_.on_sign) state_.on_sign();
    if (dead_.load()) ++state_.signed_while_dead;
    --state_.signing;
    if (state_.lose_keys) throw Error(CKR_DEVICE_REMOVED, "the fake device lost its keys");
    std::fill_n(out.begin(), 64, std::uint8_t{0x5a});
    return 64;
  }
  Destruction destroy() noexcept override {
    if (state_.refuse_destruction) return Destruction::pending;
    if (!dead_.exchange(true)) --state_.living;
    return Destruction::destroyed;
  }

 private:
  FakeDeviceState& state_;
  std::atomic<bool> dead_{false};
  PublicKey public_key_ = some_public_key();
};

class FakeScope final : public KeyScope {
 public:
  explicit FakeScope(FakeDeviceState& state) : state_(state) {}
  std::unique_ptr<DeviceKey> generate(const KeySpec&, const LastCheck& last_check) override {
    ++state_.waiting;
    const std::scoped_lock lock(mutex_);
    --state_.waiting;
    last_check();
    ++state_.asked;
    auto key = std::make_unique<FakeKey>(state_);
    if (state_.on_generate) state_.on_generate();
    return key;
  }

 private:
  FakeDeviceState& state_;
  std::mutex mutex_;  // one key after the other, as in a session of a real device
};

class FakeDevice : public Device {
 public:
  FakeDeviceState state;

  [[nodiscard]] const DeviceInfo& info() const noexcept override { return info_; }
  [[nodiscard]] bool supports(const KeySpec& spec) const noexcept override {
    return spec == KeySpec{CKK_EC, 256} || spec == KeySpec{CKK_RSA, 2048};
  }
  [[nodiscard]] SignInput sign_input(Scheme scheme, Hash) const noexcept override {
    return scheme == Scheme::eddsa ? SignInput::unsupported : SignInput::digest;
  }
  std::shared_ptr<KeyScope> open_scope(const ScopeOwner&) override {
    return std::make_shared<FakeScope>(state);
  }
  std::size_t retry_pending() noexcept override { return 0; }
  ReapReport reap(ReapReach, EarlierBoots) override { return {}; }
  [[nodiscard]] DeviceHealth health() noexcept override { return {true, "", 0, 0}; }
  void close() noexcept override {}

 private:
  DeviceInfo info_{"fake", "fake", "0", "0", false};
};

/// The two templates of a plain P-256 key pair.
inline Attributes p256_public_template() {
  Attributes wanted;
  wanted.set(CKA_EC_PARAMS, ec_params({CKK_EC, 256}));
  return wanted;
}

}  // namespace mayfly::test
