#include "api/process_frontend.h"

#include <chrono>
#include <cxxabi.h>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>

#include "base/crypto_context.h"
#include "base/error.h"
#include "base/fork_epoch.h"
#include "base/safeguard.h"
#include "compose/library.h"
#include "compose/start_options.h"

// This library, as the C++ ABI names it.
extern "C" __attribute__((visibility("hidden"))) void* __dso_handle;

namespace mayfly::api {
namespace {

constexpr std::chrono::seconds kExitPatience{1};

}  // namespace

struct ProcessFrontend::Instance {
  explicit Instance(const StartOptions& options) : library(options.load_config(), options.policy) {
    try {
      // Before the application begins: a token that is there from the start is no event.
      if (!options.task_id.empty()) library.tasks().open(options.task_request());
      application.emplace(library.tasks(), library.max_sessions());
    } catch (...) {
      library.close();
      throw;
    }
  }

  Library library;
  std::optional<Application> application;
};

std::uint64_t ProcessFrontend::word(State state) noexcept {
  return ForkEpoch::current() << 2 | state;
}

/// @param seen  The state before the start, in this process or in the parent.
void ProcessFrontend::check_startable(std::uint64_t seen) const {
  if (leaving_.load()) {
    throw Error(CKR_GENERAL_ERROR, "the process is ending; start the module before");
  }
  const std::uint64_t state = seen & 3;
  const bool from_parent = state != kIdle && seen >> 2 != ForkEpoch::current();
  if (from_parent && (state == kBusy || gate_.is_occupied())) {
    throw Error(CKR_GENERAL_ERROR,
                "this process was forked while another thread of its parent was in a call of the "
                "module, so the device's library may be locked for ever; fork when no call is "
                "under way, or execute a program");
  }
}

/// exit() undoes what was done, last thing first: a handler registered once the device's library is
/// loaded runs before that library's destructors, after which a call would find ruins there. It
/// also runs when this library is unloaded.
void ProcessFrontend::watch_exit() {
  const std::size_t device =
      std::hash<std::string>()(instance_->library.config().device.module.string()) | 1;
  if (watched_ == device) return;  // a vendor's library is never unloaded, see VendorModule
  // What atexit() does, which ThreadSanitizer replaces by one that forgets whose handler it is.
  const auto leave = [](void*) {
    static_cast<ProcessFrontend&>(process_frontend()).leave_process();
  };
  if (abi::__cxa_atexit(leave, nullptr, &__dso_handle) == 0) {
    watched_ = device;
  }
}

/// Whether the module was initialised and has left that state. Waits for a thread that is starting
/// or finalising it, and so may be in the device; one that takes too long can't open the gate any
/// more.
bool ProcessFrontend::leave_ready() noexcept {
  const auto deadline = std::chrono::steady_clock::now() + kExitPatience;
  while (true) {
    std::uint64_t seen = word(kReady);
    if (word_.compare_exchange_strong(seen, word(kLeft))) return true;
    if (seen != word(kBusy)) return false;
    if (std::chrono::steady_clock::now() >= deadline &&
        word_.compare_exchange_strong(seen, word(kLeft))) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void ProcessFrontend::leave_process() noexcept {
  leaving_.store(true);
  if (!leave_ready()) return;
  static_cast<void>(gate_.close());
  instance_->library.tasks().stop_waiting();
  // Other threads may be in the device. One that hangs there must not keep the process alive.
  gate_.wait_until_empty(kExitPatience);
}

void ProcessFrontend::initialize(const InitializeArguments& arguments) {
  ForkEpoch::watch();
  std::uint64_t seen = word_.load();
  check_startable(seen);
  if (seen == word(kReady) || seen == word(kBusy) ||
      !word_.compare_exchange_strong(seen, word(kBusy))) {
    throw Error(CKR_CRYPTOKI_ALREADY_INITIALIZED, "the module is initialised already");
  }
  if (leaving_.load()) {  // since it was looked at: nobody waits for this start
    word_.store(word(kIdle));
    check_startable(word(kIdle));
  }
  if ((seen & 3) != kIdle) crypto::abandon();  // a forked child: what is there is the parent's
  try {
    instance_ = std::make_unique<Instance>(StartOptions::read(arguments.reserved)).release();
  } catch (...) {
    crypto::release();
    word_.store(word(kIdle));
    throw;
  }
  watch_exit();
  gate_.open(ForkEpoch::current());
  std::uint64_t busy = word(kBusy);
  if (!word_.compare_exchange_strong(busy, word(kReady))) {
    static_cast<void>(gate_.close());
    // What was made stays: by now the device's library may have been taken down.
    throw Error(CKR_GENERAL_ERROR, "the process ended while the module was being started");
  }
}

void ProcessFrontend::finalize() {
  // Nothing can be done in order any more; the keys go with the process.
  std::uint64_t left = word(kLeft);
  if (word_.compare_exchange_strong(left, word(kIdle))) return;
  std::uint64_t ready = word(kReady);
  if (!word_.compare_exchange_strong(ready, word(kBusy))) {
    throw Error(CKR_CRYPTOKI_NOT_INITIALIZED, "the module is not initialised");
  }
  static_cast<void>(gate_.close());
  instance_->library.tasks().stop_waiting();
  gate_.wait_until_empty();
  instance_->library.tasks().look_after_host();  // a task that ended elsewhere is not ours to close
  EndReport report = instance_->application->finish();
  report.add(instance_->library.close());
  delete instance_;
  instance_ = nullptr;
  crypto::release();
#ifdef MAYFLY_SWITCHABLE_SAFEGUARDS
  if (!kept(Safeguard::fresh_handles)) start_handles_anew();
#endif
  word_.store(word(kIdle));
  report.require_destroyed();
}

Application& ProcessFrontend::enter(std::size_t& stripe) {
  if (word_.load(std::memory_order_acquire) != word(kReady) || !gate_.enter(stripe)) {
    throw Error(CKR_CRYPTOKI_NOT_INITIALIZED, "the module is not initialised");
  }
  return *instance_->application;
}

Frontend& process_frontend() noexcept {
  // Never destroyed: clients call C_Finalize from exit handlers, in any order.
  alignas(ProcessFrontend) static std::byte storage[sizeof(ProcessFrontend)];
  static ProcessFrontend& frontend = *new (storage) ProcessFrontend;
  return frontend;
}

}  // namespace mayfly::api
