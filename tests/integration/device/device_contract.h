// What every Device promises, as tests. A device joins by instantiating the suite with a function
// that sets it up:
//
//     INSTANTIATE_TEST_SUITE_P(SoftHsm2, DeviceContract, testing::Values(&make_softhsm));
#pragma once

#include <memory>

#include <gtest/gtest.h>

#include "device/device.h"

namespace mayfly::test {

/// A device, and a way to look at it behind mayfly's back.
class DeviceUnderTest {
 public:
  virtual ~DeviceUnderTest() = default;

  /// Opens the device.
  /// @param max_sessions  How many sessions on it may be used, for devices that have such a thing;
  /// 0
  ///                      for as many as there are.
  virtual std::unique_ptr<Device> open(std::size_t max_sessions) = 0;

  /// How many private keys are in the device, as the device itself tells. While a Device is open.
  virtual std::size_t count_private_keys() = 0;

  /// How much of what the device can run out of is in use: its sessions, its object slots.
  virtual std::size_t count_resources() = 0;

  /// How many keys a test makes that makes many: fewer where each is written to a disk.
  [[nodiscard]] virtual int many_keys() const { return 1'000; }
};

using MakeDevice = std::unique_ptr<DeviceUnderTest> (*)();

class DeviceContract : public testing::TestWithParam<MakeDevice> {
 protected:
  ~DeviceContract() override {
    if (device_ != nullptr) device_->close();
  }

  Device& open(std::size_t max_sessions = 0) {
    device_ = under_test_->open(max_sessions);
    return *device_;
  }

  std::unique_ptr<DeviceUnderTest> under_test_ = GetParam()();
  std::unique_ptr<Device> device_;
};

}  // namespace mayfly::test
