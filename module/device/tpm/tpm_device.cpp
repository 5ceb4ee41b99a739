#include "device/tpm/tpm_device.h"

#include <new>
#include <utility>

#include "base/error.h"
#include "device/tpm/chip.h"

namespace mayfly {
namespace tpm {
namespace {

class TpmKey final : public DeviceKey {
 public:
  TpmKey(std::shared_ptr<Chip> chip, std::shared_ptr<ChipKey> key) noexcept
      : chip_(std::move(chip)), key_(std::move(key)) {}
  ~TpmKey() override {
    if (!destroyed_ && chip_->usable()) chip_->owe(std::move(key_));
  }

  [[nodiscard]] const PublicKey& public_key() const noexcept override { return *key_->public_key; }

  std::size_t sign(const SignRequest& request, ByteSpan out) override {
    return chip_->sign(*key_, request, out);
  }

  attestation::DeviceEvidence attest(const Challenge& challenge) override {
    return chip_->attest(*key_, challenge);
  }

  Destruction destroy() noexcept override {
    if (!destroyed_) result_ = chip_->destroy(key_);
    destroyed_ = true;
    return result_;
  }

 private:
  std::shared_ptr<Chip> chip_;
  std::shared_ptr<ChipKey> key_;
  bool destroyed_ = false;
  Destruction result_ = Destruction::destroyed;
};

/// Keys of one owner share nothing in the TPM but the owner's deadline.
class TpmScope final : public KeyScope, public std::enable_shared_from_this<TpmScope> {
 public:
  TpmScope(std::shared_ptr<Chip> chip, BootClock::time_point deadline)
      : chip_(std::move(chip)), deadline_(deadline) {
    ++chip_->open_scopes;
  }
  ~TpmScope() override { --chip_->open_scopes; }

  std::unique_ptr<DeviceKey> generate(const KeySpec& spec, const LastCheck& last_check) override {
    auto key = chip_->generate(spec, deadline_, last_check, shared_from_this());
    try {
      return std::make_unique<TpmKey>(chip_, key);
    } catch (const std::bad_alloc&) {
      chip_->owe(std::move(key));
      throw;
    }
  }

 private:
  std::shared_ptr<Chip> chip_;
  BootClock::time_point deadline_;
};

class TpmDevice final : public Device {
 public:
  explicit TpmDevice(std::shared_ptr<Chip> chip) noexcept : chip_(std::move(chip)) {}

  [[nodiscard]] const DeviceInfo& info() const noexcept override { return chip_->info(); }

  [[nodiscard]] bool supports(const KeySpec& spec) const noexcept override {
    return chip_->algorithms().obstacle(spec) == CKR_OK;
  }

  [[nodiscard]] SignInput sign_input(Scheme scheme, Hash hash) const noexcept override {
    return chip_->algorithms().sign_input(scheme, hash);
  }

  void check_parameters(const SignatureScheme& scheme) const override {
    tpm::check_parameters(scheme);
  }

  [[nodiscard]] bool attests() const noexcept override { return true; }

  std::shared_ptr<KeyScope> open_scope(const ScopeOwner& owner) override {
    return std::make_shared<TpmScope>(chip_, owner.deadline);
  }

  std::size_t retry_pending() noexcept override { return chip_->retry(); }

  ReapReport reap(ReapReach, EarlierBoots earlier_boots) override {
    return chip_->reap(earlier_boots);
  }

  [[nodiscard]] DeviceHealth health() noexcept override {
    DeviceHealth health;
    health.pending = chip_->pending();
    health.open_scopes = chip_->open_scopes;
    try {
      chip_->ping();
      health.reachable = true;
      if (health.pending > 0) health.message = "the TPM still owes the destruction of some keys";
    } catch (const std::exception& error) {
      health.message = error.what();
    }
    return health;
  }

  void close() noexcept override { chip_->close(); }

 private:
  std::shared_ptr<Chip> chip_;
};

}  // namespace

std::unique_ptr<Device> make_tpm_device(std::shared_ptr<Chip> chip) {
  return std::make_unique<TpmDevice>(std::move(chip));
}

}  // namespace tpm

std::unique_ptr<Device> open_tpm_device(TpmDeviceOptions options) {
  return tpm::make_tpm_device(std::make_shared<tpm::Chip>(std::move(options)));
}

}  // namespace mayfly
