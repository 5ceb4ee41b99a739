// SoftHSM2 keeps the contract, also when keys are stored on it.
#include "compose/registry_journal.h"
#include "device/pkcs11/pkcs11_device.h"
#include "integration/device/device_contract.h"
#include "registry/sqlite/sqlite_registry.h"
#include "support/softhsm_token.h"

namespace mayfly::test {
namespace {

class SoftHsmUnderTest : public DeviceUnderTest {
 public:
  std::unique_ptr<Device> open(std::size_t max_sessions) override {
    Pkcs11DeviceOptions options;
    options.module = SoftHsmToken::module_path();
    options.token = token_.uri();
    options.fetch_pin = [this] { return token_.pin(); };
    options.environment = token_.environment();
    options.max_sessions = max_sessions;
    options.start_lock = token_.config_file();
    adapt(options);
    return open_pkcs11_device(std::move(options));
  }

  std::size_t count_private_keys() override { return token_.count_objects(CKO_PRIVATE_KEY); }
  std::size_t count_resources() override {
    return token_.count_sessions() + token_.count_objects(CKO_PUBLIC_KEY);
  }

 protected:
  virtual void adapt(Pkcs11DeviceOptions&) {}

  SoftHsmToken token_;
};

class StoredSoftHsmUnderTest final : public SoftHsmUnderTest {
 public:
  [[nodiscard]] int many_keys() const override { return 100; }

 protected:
  void adapt(Pkcs11DeviceOptions& options) override {
    options.storage = KeyStorage::stored;
    options.journal =
        std::make_shared<RegistryJournal>(open_sqlite_registry(token_.folder() / "registry.db"));
  }
};

std::unique_ptr<DeviceUnderTest> make_softhsm() { return std::make_unique<SoftHsmUnderTest>(); }

std::unique_ptr<DeviceUnderTest> make_stored() {
  return std::make_unique<StoredSoftHsmUnderTest>();
}

INSTANTIATE_TEST_SUITE_P(SoftHsm2, DeviceContract, testing::Values(&make_softhsm));
INSTANTIATE_TEST_SUITE_P(StoredSoftHsm2, DeviceContract, testing::Values(&make_stored));

}  // namespace
}  // namespace mayfly::test
