// A private key of a task's worker.
#pragma once

#include <memory>

#include "device/broker/broker_link.h"
#include "device/device.h"

namespace mayfly::agent {

/// BrokerKey has the worker sign. It is one object's key: the worker looks at that object's
/// attributes each time.
class BrokerKey final : public DeviceKey {
 public:
  /// @param object  The worker's handle of the private key.
  BrokerKey(std::shared_ptr<BrokerLink> link, std::uint64_t object, PublicKey half)
      : link_(std::move(link)), object_(object), half_(std::move(half)) {}

  [[nodiscard]] const PublicKey& public_key() const noexcept override { return half_; }
  /// One request and one answer.
  std::size_t sign(const SignRequest& request, ByteSpan out) override;
  /// The worker destroys keys, with the last object that names them.
  Destruction destroy() noexcept override { return Destruction::destroyed; }

 private:
  const std::shared_ptr<BrokerLink> link_;
  const std::uint64_t object_;
  const PublicKey half_;
};

}  // namespace mayfly::agent
