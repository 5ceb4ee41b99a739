#include "device/broker/broker_device.h"

#include <algorithm>

namespace mayfly::agent {
namespace {

DeviceInfo info_of(const wire::HelloAnswer& hello) {
  return {hello.manufacturer, hello.model, hello.device_serial, hello.firmware, hello.hardware};
}

}  // namespace

BrokerDevice::BrokerDevice(std::shared_ptr<BrokerLink> link)
    : link_(std::move(link)), info_(info_of(link_->hello())) {}

bool BrokerDevice::supports(const KeySpec& spec) const noexcept {
  return std::ranges::count(link_->hello().key_specs, spec) != 0;
}

SignInput BrokerDevice::sign_input(Scheme scheme, Hash hash) const noexcept {
  for (const wire::SignInputRow& row : link_->hello().sign_inputs) {
    if (row.scheme != scheme || row.hash != hash) continue;
    return row.message ? SignInput::message : SignInput::digest;
  }
  return SignInput::unsupported;
}

std::shared_ptr<KeyScope> BrokerDevice::open_scope(const ScopeOwner&) {
  throw Error(CKR_FUNCTION_NOT_SUPPORTED, "the broker makes keys, not its clients");
}

ReapReport BrokerDevice::reap(ReapReach, EarlierBoots) {
  throw Error(CKR_FUNCTION_NOT_SUPPORTED, "the broker reaps keys, not its clients");
}

DeviceHealth BrokerDevice::health() noexcept {
  link_->look_after();
  DeviceHealth health;
  health.reachable = link_->is_up();
  return health;
}

}  // namespace mayfly::agent
