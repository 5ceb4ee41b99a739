// SoftHSM2 keeps the contract.
#include "device/pkcs11/pkcs11_device.h"
#include "integration/device/device_contract.h"
#include "support/softhsm_token.h"

namespace mayfly::test {
namespace {

class SoftHsmUnderTest final : public DeviceUnderTest {
 public:
  std::unique_ptr<Device> open(std::size_t max_sessions) override {
    Pkcs11DeviceOptions options;
    options.module = SoftHsmToken::module_path();
    options.token = token_.uri();
    options.fetch_pin = [this] { return token_.pin(); };
    options.environment = token_.environment();
    options.max_sessions = max_sessions;
    options.start_lock = token_.config_file();
    return open_pkcs11_device(std::move(options));
  }

  std::size_t count_private_keys() override { return token_.count_objects(CKO_PRIVATE_KEY); }
  std::size_t count_resources() override {
    return token_.count_sessions() + token_.count_objects(CKO_PUBLIC_KEY);
  }

 private:
  SoftHsmToken token_;
};

std::unique_ptr<DeviceUnderTest> make_softhsm() { return std::make_unique<SoftHsmUnderTest>(); }

INSTANTIATE_TEST_SUITE_P(SoftHsm2, DeviceContract, testing::Values(&make_softhsm));

}  // namespace
}  // namespace mayfly::test
