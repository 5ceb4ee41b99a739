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
/// and never destroyed, since its device sessions and keys are the parent's.
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
  // an initialised process from a forked child of one.
  enum State : std::uint64_t { kIdle, kBusy, kReady };
  [[nodiscard]] static std::uint64_t word(State state) noexcept;

  std::atomic<std::uint64_t> word_{kIdle};
  CallGate gate_;
  Instance* instance_ = nullptr;
};

}  // namespace mayfly::api
