// A device behind a task's worker.
#pragma once

#include <memory>

#include "device/broker/broker_link.h"
#include "device/device.h"

namespace mayfly::agent {

/// BrokerDevice tells what the worker's device can do, as the worker said it at HELLO. It makes no
/// keys by itself: the worker makes keys and objects together.
class BrokerDevice final : public Device {
 public:
  explicit BrokerDevice(std::shared_ptr<BrokerLink> link);

  [[nodiscard]] const DeviceInfo& info() const noexcept override { return info_; }
  [[nodiscard]] bool supports(const KeySpec& spec) const noexcept override;
  [[nodiscard]] SignInput sign_input(Scheme scheme, Hash hash) const noexcept override;
  [[nodiscard]] bool attests() const noexcept override { return link_->hello().attests; }
  /// @throws Error CKR_FUNCTION_NOT_SUPPORTED
  std::shared_ptr<KeyScope> open_scope(const ScopeOwner& owner) override;
  std::size_t retry_pending() noexcept override { return 0; }
  /// @throws Error CKR_FUNCTION_NOT_SUPPORTED
  ReapReport reap(ReapReach reach, EarlierBoots earlier_boots) override;
  [[nodiscard]] DeviceHealth health() noexcept override;
  /// Hangs up: the worker destroys what belongs to this process's sessions.
  void close() noexcept override { link_->close(); }

 private:
  const std::shared_ptr<BrokerLink> link_;
  const DeviceInfo info_;
};

}  // namespace mayfly::agent
