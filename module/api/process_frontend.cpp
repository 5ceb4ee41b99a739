#include "api/process_frontend.h"

#include <memory>
#include <new>
#include <optional>

#include "base/crypto_context.h"
#include "base/error.h"
#include "base/fork_epoch.h"
#include "compose/library.h"
#include "compose/start_options.h"

namespace mayfly::api {

struct ProcessFrontend::Instance {
  explicit Instance(const StartOptions& options)
      : library(Config::load(Config::find(options.config_file))) {
    try {
      // Before the application begins: a token that is there from the start is no event.
      if (!options.task_id.empty()) library.tasks().open({options.task_id, options.ttl});
      application.emplace(library.tasks(), library.config().limits.max_sessions);
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

void ProcessFrontend::initialize(const InitializeArguments& arguments) {
  ForkEpoch::watch();
  std::uint64_t seen = word_.load();
  if (seen == word(kReady) || seen == word(kBusy) ||
      !word_.compare_exchange_strong(seen, word(kBusy))) {
    throw Error(CKR_CRYPTOKI_ALREADY_INITIALIZED, "the module is initialised already");
  }
  if ((seen & 3) != kIdle) crypto::abandon();  // a forked child: what is there is the parent's
  try {
    instance_ = std::make_unique<Instance>(StartOptions::read(arguments.reserved)).release();
  } catch (...) {
    crypto::release();
    word_.store(word(kIdle));
    throw;
  }
  gate_.reset_open();
  word_.store(word(kReady));
}

void ProcessFrontend::finalize() {
  std::uint64_t ready = word(kReady);
  if (!word_.compare_exchange_strong(ready, word(kBusy))) {
    throw Error(CKR_CRYPTOKI_NOT_INITIALIZED, "the module is not initialised");
  }
  static_cast<void>(gate_.close());
  instance_->library.tasks().stop_waiting();
  gate_.wait_until_empty();
  EndReport report = instance_->application->finish();
  report.add(instance_->library.close());
  delete instance_;
  instance_ = nullptr;
  crypto::release();
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
