#include "tools/serve/sweeper.h"

#include <algorithm>
#include <system_error>

#include "base/log.h"

namespace mayfly::serve {
namespace {

constexpr std::chrono::seconds kFirstRetry{1};
constexpr std::chrono::seconds kLastRetry{60};

}  // namespace

void Sweeper::sweep(std::size_t keys) {
  if (config_()->config.device.stored_keys) want({}, keys);
}

void Sweeper::tell_survivors() const {
  std::size_t keys = 0;
  for (const auto& [broker, count] : survivors_) keys += count;
  metrics_.keys_survive(keys);
}

void Sweeper::want(const std::string& broker, std::size_t keys) {
  survivors_[broker] += keys;
  tell_survivors();
  if (std::ranges::find(wanted_, broker) == wanted_.end()) wanted_.push_back(broker);
  pause_ = {};
  start();
}

void Sweeper::start() {
  if (running_ != nullptr || wanted_.empty()) return;
  running_for_ = wanted_.front();
  wanted_.pop_front();
  try {
    running_ = std::make_unique<broker::DeviceSweep>(config_()->config, running_for_);
  } catch (const std::system_error& error) {
    log::warn("keys may be left on the device, which is looked at again", error);
    try_again();
  }
}

void Sweeper::has_ended(int wait_status) {
  running_->has_ended(wait_status);
  const bool succeeded = running_->succeeded();
  running_.reset();
  if (!succeeded) {
    log::error("keys of dead workers may be left on the device, which is looked at again");
    return try_again();
  }
  log::info("what " +
            (running_for_.empty() ? std::string("dead workers") : "broker " + running_for_) +
            " may have left on the device is destroyed");
  // What was told of since it began is looked at again.
  if (std::ranges::find(wanted_, running_for_) == wanted_.end()) survivors_.erase(running_for_);
  tell_survivors();
  if (!running_for_.empty()) swept_after_(running_for_);
  start();
}

/// What failed is tried again after a while, with all else that is wanted.
void Sweeper::try_again() {
  wanted_.push_back(running_for_);
  pause_ = std::clamp<BootClock::duration>(2 * pause_, kFirstRetry, kLastRetry);
  retry_ = loop_.after(pause_, [this] { start(); });
}

}  // namespace mayfly::serve
