#include "tools/softhsm.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "device/pkcs11/token_search.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/random_pin.h"
#include "tools/token_session.h"

namespace mayfly::tools {
namespace {

/// A library that is finalised and unloaded at the end.
class StartedModule {
 public:
  explicit StartedModule(const std::filesystem::path& library) : module_(library.string()) {
    module_.initialize();
  }
  ~StartedModule() { module_.close(); }
  StartedModule(const StartedModule&) = delete;
  StartedModule& operator=(const StartedModule&) = delete;

  [[nodiscard]] const pkcs11::VendorModule& get() const noexcept { return module_; }

 private:
  pkcs11::VendorModule module_;
};

/// SoftHSM2 always shows one slot whose token is not initialised.
CK_SLOT_ID find_free_slot(const pkcs11::VendorModule& module) {
  std::array<CK_SLOT_ID, 64> slots{};
  CK_ULONG count = slots.size();
  pkcs11::check(module.functions()->C_GetSlotList(CK_TRUE, slots.data(), &count),
                "listing SoftHSM2's slots");
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    pkcs11::check(module.functions()->C_GetTokenInfo(slots[i], &info), "looking at a token");
    if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) return slots[i];
  }
  throw Error(CKR_TOKEN_NOT_PRESENT, "SoftHSM2 has no free slot");
}

void initialize_token(const pkcs11::VendorModule& module, const std::string& label,
                      SecretBuffer& so_pin) {
  std::array<CK_UTF8CHAR, 32> padded{};
  padded.fill(' ');
  std::copy_n(label.begin(), std::min(label.size(), padded.size()), padded.begin());
  pkcs11::check(module.functions()->C_InitToken(find_free_slot(module), so_pin.span().data(),
                                                so_pin.size(), padded.data()),
                "making a SoftHSM2 token");
}

}  // namespace

std::filesystem::path find_softhsm() {
  std::string places;
  for (const char* folder : {"/usr/lib/" MAYFLY_MULTIARCH "/softhsm", "/usr/lib/softhsm",
                             "/usr/lib64/softhsm", "/usr/lib64/pkcs11", "/usr/lib/pkcs11",
                             "/usr/local/lib/softhsm", "/usr/local/lib64/softhsm"}) {
    const auto library = std::filesystem::path(folder) / "libsofthsm2.so";
    std::error_code ignored;
    if (std::filesystem::exists(library, ignored)) return library;
    places += (places.empty() ? "" : ", ") + library.parent_path().string();
  }
  throw Failure(kDeviceMissing, "SoftHSM2 is not installed (no libsofthsm2.so in " + places +
                                    "); install it (Debian: apt install softhsm2), or name another "
                                    "device with --module, --token and --pin-source");
}

std::string softhsm_configuration(const std::filesystem::path& tokens) {
  return "# SoftHSM2's configuration for mayfly, made by `mayfly init`.\n"
         "directories.tokendir = " +
         tokens.string() +
         "\n"
         "objectstore.backend = file\n"
         "log.level = ERROR\n";
}

void make_softhsm_token(const std::filesystem::path& library,
                        const std::filesystem::path& configuration, const std::string& label,
                        SecretBuffer& pin) {
  set_device_environment({{"SOFTHSM2_CONF", configuration.string()}});
  const std::string uri = "pkcs11:token=" + label;
  {
    const StartedModule module(library);
    SecretBuffer so_pin = make_random_pin();
    initialize_token(module.get(), label, so_pin);
    TokenSession session(module.get(), pkcs11::find_token(module.get(), uri).slot, CKF_RW_SESSION);
    session.log_in(CKU_SO, so_pin);
    session.set_user_pin(pin);
  }
  const StartedModule module(library);
  TokenSession session(module.get(), pkcs11::find_token(module.get(), uri).slot, 0);
  session.log_in(CKU_USER, pin);
}

}  // namespace mayfly::tools
