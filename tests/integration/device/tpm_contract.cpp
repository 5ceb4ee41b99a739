// A TPM keeps the contract, whoever makes sure of the deadline.
#include <optional>

#include "device/tpm/chip.h"
#include "integration/device/burglar.h"
#include "integration/device/device_contract.h"
#include "support/swtpm.h"

namespace mayfly::test {
namespace {

template <TpmDeadline deadline, bool encrypt>
class TpmUnderTest final : public DeviceUnderTest {
 public:
  std::unique_ptr<Device> open(std::size_t) override {
    TpmDeviceOptions options;
    options.tcti = swtpm_.tcti();
    options.deadline = deadline;
    options.encrypt = encrypt;
    chip_ = std::make_shared<tpm::Chip>(std::move(options));
    burglar_.emplace(*chip_, swtpm_.tcti());
    return tpm::make_tpm_device(chip_);
  }

  /// A key's home is its saved context, which only mayfly has; in the TPM it is a guest. So both
  /// are counted, and what is loaded but should not be counts as well.
  std::size_t count_private_keys() override {
    return burglar_->keys() + burglar_->strangers_loaded();
  }

  std::size_t count_resources() override {
    return burglar_->tpm().handles(TPM2_HR_TRANSIENT).size() +
           burglar_->tpm().handles(TPM2_HR_HMAC_SESSION).size();
  }

 private:
  Swtpm swtpm_;
  std::shared_ptr<tpm::Chip> chip_;
  std::optional<Burglar> burglar_;
};

template <TpmDeadline deadline, bool encrypt = false>
std::unique_ptr<DeviceUnderTest> make_tpm() {
  return std::make_unique<TpmUnderTest<deadline, encrypt>>();
}

INSTANTIATE_TEST_SUITE_P(Tpm, DeviceContract, testing::Values(&make_tpm<TpmDeadline::hardware>));
INSTANTIATE_TEST_SUITE_P(SoftwareTpm, DeviceContract,
                         testing::Values(&make_tpm<TpmDeadline::software>));
INSTANTIATE_TEST_SUITE_P(EncryptedTpm, DeviceContract,
                         testing::Values(&make_tpm<TpmDeadline::hardware, true>));
INSTANTIATE_TEST_SUITE_P(EncryptedSoftwareTpm, DeviceContract,
                         testing::Values(&make_tpm<TpmDeadline::software, true>));

}  // namespace
}  // namespace mayfly::test
