#include "conformance/device_behind.h"

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <unistd.h>

#include "device/tpm/public_area.h"
#include "device/tpm/tpm.h"
#include "support/swtpm.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

/// Makes a thing that lives until this process exits. A forked child that exits must not take it
/// along.
template <typename Thing, typename... Arguments>
Thing* until_exit(Arguments&&... arguments) {
  static const pid_t owner = getpid();
  static Thing* thing = nullptr;
  thing = new Thing(std::forward<Arguments>(arguments)...);
  std::atexit([] {
    if (getpid() == owner) delete thing;
  });
  return thing;
}

class SoftHsmBehind final : public DeviceBehind {
 public:
  [[nodiscard]] std::string config() const override {
    const SoftHsmToken& token = device_token();
    return "[device]\nmodule = \"" + SoftHsmToken::module_path().string() + "\"\ntoken = \"" +
           token.uri() + "\"\npin-source = \"file:" + token.pin_file().string() + "\"\n";
  }
  [[nodiscard]] std::size_t count(CK_OBJECT_CLASS object_class) override {
    return device_token().count_objects(object_class);
  }
  [[nodiscard]] std::size_t leftovers() override { return 0; }
  [[nodiscard]] bool lacks(CK_MECHANISM_TYPE) const override { return false; }
  [[nodiscard]] bool attests() const override { return false; }
};

class TpmBehind final : public DeviceBehind {
 public:
  [[nodiscard]] std::string config() const override {
    return "[device]\ntype = \"tpm\"\n[tpm]\ntcti = \"" + swtpm_.tcti() +
           "\"\n[registry]\nfile = \"" + (folder_.path() / "registry.db").string() + "\"\n";
  }

  [[nodiscard]] std::size_t count(CK_OBJECT_CLASS object_class) override {
    if (object_class != CKO_PRIVATE_KEY) return 0;
    tpm::Tpm tpm = connect();
    std::size_t keys = 0;
    for (const TPM2_HANDLE handle : tpm.handles(TPM2_HR_TRANSIENT)) {
      keys += tpm::is_parent(tpm.read_public(handle)) ? 0 : 1;
    }
    return keys;
  }

  [[nodiscard]] std::size_t leftovers() override {
    tpm::Tpm tpm = connect();
    return tpm.handles(TPM2_HR_TRANSIENT).size() + tpm.handles(TPM2_HR_HMAC_SESSION).size() +
           tpm.handles(TPM2_HR_POLICY_SESSION).size() + tpm.handles(TPM2_HR_NV_INDEX).size();
  }

  [[nodiscard]] bool attests() const override { return true; }
  [[nodiscard]] bool lacks(CK_MECHANISM_TYPE mechanism) const override {
    switch (mechanism) {
      case CKM_EC_EDWARDS_KEY_PAIR_GEN:
      case CKM_EDDSA:
      case CKM_SHA224_RSA_PKCS:
      case CKM_SHA224_RSA_PKCS_PSS:
        return true;
      default:
        return false;
    }
  }

 private:
  [[nodiscard]] tpm::Tpm connect() const {
    return tpm::Tpm({swtpm_.tcti(), std::chrono::seconds(30)});
  }

  Swtpm swtpm_;
  TempFolder folder_;
};

DeviceBehind* make_device() {
  const char* const wanted = std::getenv("MAYFLY_TEST_DEVICE");
  const std::string_view name = wanted == nullptr ? "softhsm" : wanted;
  if (name == "softhsm") return until_exit<SoftHsmBehind>();
  if (name == "tpm") return until_exit<TpmBehind>();
  throw std::runtime_error("MAYFLY_TEST_DEVICE is neither softhsm nor tpm");
}

}  // namespace

DeviceBehind& device_behind() {
  static DeviceBehind* const device = make_device();
  return *device;
}

const SoftHsmToken& device_token() {
  static const SoftHsmToken* const token = until_exit<SoftHsmToken>("conformance-device");
  return *token;
}

}  // namespace mayfly::test
