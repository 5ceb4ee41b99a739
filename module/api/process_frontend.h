// The module as the process that loaded it meets it.
#pragma once

#include <atomic>
#include <cstdint>

#include "api/call_gate.h"
#include "api/frontend.h"

namespace mayfly::api {

/// ProcessFrontend holds the one instance of the module in a process: configuration, device, tasks
/// and the process's Application.
///
/// A forked child finds it not initialised: the parent's instance is left alone there, never closed
/// and never destroyed, since its device sessions and keys are the parent's. Where a thread of the
/// parent was inside the module when the child was made, the device's library may be locked in the
/// child for ever, and a start is refused.
///
/// When the process ends, it shuts before the device's library is taken down by its own static
/// destructors: whoever calls later is told that the module is not initialised.
class ProcessFrontend final : public Frontend {
 public:
  void initialize(const InitializeArguments& arguments) override;
  void finalize() override;
  Application& enter(std::size_t& stripe) override;
  void leave(std::size_t stripe) noexcept override { gate_.leave(stripe); }
  [[nodiscard]] bool is_remote() const noexcept override { return false; }

 private:
  struct Instance;

  // The state's two low bits below the fork epoch in which it was set, so that one comparison tells
  // an initialised process from a forked child of one. kLeft: ready, or
  // busy for too long, when the process began to end.
  enum State : std::uint64_t { kIdle, kBusy, kReady, kLeft };
  [[nodiscard]] static std::uint64_t word(State state) noexcept;

  void check_startable(std::uint64_t seen) const;
  void watch_exit();
  void leave_process() noexcept;
  [[nodiscard]] bool leave_ready() noexcept;

  std::atomic<std::uint64_t> word_{kIdle};
  std::atomic<bool> leaving_{false};
  std::size_t watched_ = 0;  // which device library's end the exit handler comes before
  CallGate gate_;
  Instance* instance_ = nullptr;
};

}  // namespace mayfly::api
