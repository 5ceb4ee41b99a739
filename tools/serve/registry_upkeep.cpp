#include "tools/serve/registry_upkeep.h"

#include <exception>
#include <string>
#include <utility>

#include "base/log.h"

namespace mayfly::serve {
namespace {

// Between two steps, so that others find the registry free.
constexpr std::chrono::milliseconds kBreath{100};

}  // namespace

RegistryUpkeep::RegistryUpkeep(EventLoop& loop, JobThreads& threads,
                               std::shared_ptr<RegistryBook> book, CurrentConfig config)
    : loop_(loop), threads_(threads), book_(std::move(book)), config_(std::move(config)) {}

void RegistryUpkeep::begin() {
  const Config& config = config_()->config;
  purge_.emplace(book_->registry(),
                 RegistryPurge::Rules{config.registry.keep, "", config.ledger.folder, false});
  step();
}

void RegistryUpkeep::step() {
  threads_.add([this] {
    bool is_more = false;
    try {
      is_more = purge_->step();
    } catch (const std::exception& error) {
      log::warn("the registry forgets nothing for some hours", error);
    }
    loop_.post([this, is_more] { done(is_more); });
  });
}

void RegistryUpkeep::done(bool is_more) {
  if (is_more) {
    next_ = loop_.after(kBreath, [this] { step(); });
    return;
  }
  if (purge_->forgotten_tasks() + purge_->forgotten_others() > 0) {
    log::info("the registry has forgotten " + std::to_string(purge_->forgotten_tasks()) +
              " old tasks and " + std::to_string(purge_->forgotten_others()) + " other records");
  }
  next_ = loop_.after(kPause, [this] { begin(); });
}

}  // namespace mayfly::serve
