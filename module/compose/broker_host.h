// A broker's worker as the host of a task.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "core/task_host.h"
#include "device/broker/broker_link.h"

namespace mayfly {

/// @param nanoseconds  Of CLOCK_BOOTTIME, as the wire has them. More than the clock can count is
/// its
///                     latest time.
[[nodiscard]] BootClock::time_point deadline_from_wire(std::uint64_t nanoseconds) noexcept;

/// BrokerHost turns what core asks of a TaskHost into the requests of the wire, and the answers
/// into objects of core.
class BrokerHost final : public TaskHost {
 public:
  explicit BrokerHost(std::shared_ptr<agent::BrokerLink> link) : link_(std::move(link)) {}

  [[nodiscard]] SessionNumber open_session(bool read_write) override;
  void close_session(SessionNumber session) override;
  void login(SessionNumber session, ByteView pin) override;
  void logout(SessionNumber session) override;

  [[nodiscard]] KeyPair generate(SessionNumber session, CK_MECHANISM_TYPE mechanism,
                                 const Attributes& public_wanted,
                                 const Attributes& private_wanted) override;
  [[nodiscard]] HostedObject create(SessionNumber session, const Attributes& wanted) override;
  [[nodiscard]] HostedObject copy(SessionNumber session, std::uint64_t original,
                                  const Attributes& changes) override;
  [[nodiscard]] HostedObject change(SessionNumber session, std::uint64_t object,
                                    const Attributes& changes) override;
  void destroy(SessionNumber session, std::uint64_t object) override;
  [[nodiscard]] std::unique_ptr<DeviceKey> key(std::uint64_t object, PublicKey half) override;

  [[nodiscard]] std::string attest(std::uint64_t object, ByteView nonce) override;

  [[nodiscard]] TaskStatus status() override;
  [[nodiscard]] std::uint64_t change_count() const noexcept override;
  [[nodiscard]] Changes changes_since(const ChangeLog::Position& told) override;

  [[nodiscard]] std::chrono::milliseconds patience() const noexcept override {
    return link_->patience().usual;
  }

  [[nodiscard]] std::optional<TaskState> end() const noexcept override;
  void look_after() noexcept override { link_->look_after(); }
  [[nodiscard]] Error give_up(const std::string& why) override { return link_->give_up(why); }

 private:
  const std::shared_ptr<agent::BrokerLink> link_;
};

}  // namespace mayfly
