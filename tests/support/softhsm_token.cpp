#include "support/softhsm_token.h"

#include <array>
#include <memory>
#include <stdexcept>
#include <sys/random.h>

#include "base/bytes.h"
#include "support/raw_module.h"

#ifdef __SANITIZE_ADDRESS__
// SoftHSM2 leaks a string with each Ed25519 operation. Telling its leaks from ours takes the slow
// way of walking the stack, since libcrypto, which allocates for both, has no frame pointers; eight
// frames reach SoftHSM2 and cost little.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options();
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions();
const char* __asan_default_options() { return "fast_unwind_on_malloc=0:malloc_context_size=12"; }
const char* __lsan_default_suppressions() { return "leak:libsofthsm2.so"; }
#endif

namespace mayfly::test {
namespace {

std::string random_pin() {
  std::array<std::uint8_t, 16> bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("no randomness for a PIN");
  }
  return to_hex(bytes);
}

CK_UTF8CHAR_PTR as_utf8(std::string& text) {
  return reinterpret_cast<CK_UTF8CHAR_PTR>(text.data());
}

/// Through PKCS#11 and not softhsm2-util, whose arguments would show the PINs to everybody.
void initialize_token(std::string label, std::string user_pin) {
  const RawModule module(SoftHsmToken::module_path());
  if (!module.initialized_here()) {
    throw std::runtime_error("SoftHSM2 is in use, so it would not read the new token's folder");
  }
  std::string so_pin = random_pin();
  std::string padded = label;
  padded.resize(32, ' ');
  expect_ok(
      module->C_InitToken(module.free_slot(), as_utf8(so_pin), so_pin.size(), as_utf8(padded)),
      "C_InitToken");
  const RawSession session(module, module.slot_of(label));
  expect_ok(module->C_Login(session.handle(), CKU_SO, as_utf8(so_pin), so_pin.size()), "C_Login");
  expect_ok(module->C_InitPIN(session.handle(), as_utf8(user_pin), user_pin.size()), "C_InitPIN");
  expect_ok(module->C_Logout(session.handle()), "C_Logout");
}

/// The module, which sees the token. SoftHSM2 passes over one whose file another process writes at
/// that moment, as each login does.
std::unique_ptr<RawModule> open_module(const std::string& label) {
  for (int tries = 100;; --tries) {
    auto module = std::make_unique<RawModule>(SoftHsmToken::module_path());
    try {
      static_cast<void>(module->slot_of(label));
      return module;
    } catch (const std::runtime_error&) {
      if (tries == 0) throw;
    }
  }
}

}  // namespace

SoftHsmToken::SoftHsmToken(const std::string& label)
    : label_(label),
      config_file_(folder_.write("softhsm2.conf",
                                 "directories.tokendir = " + (folder() / "tokens").string() +
                                     "\nobjectstore.backend = file\nlog.level = ERROR\n")),
      pin_file_(folder_.write("pin", random_pin())),
      variable_("SOFTHSM2_CONF", config_file_.string()) {
  std::filesystem::create_directory(folder() / "tokens");
  add_token(label);
}

void SoftHsmToken::add_token(const std::string& label) {
  initialize_token(label, read_file(pin_file_));
}

std::filesystem::path SoftHsmToken::module_path() { return MAYFLY_SOFTHSM2_MODULE; }

SecretBuffer SoftHsmToken::pin() const { return SecretBuffer(as_bytes(read_file(pin_file_))); }

std::map<std::string, std::string> SoftHsmToken::environment() const {
  return {{"SOFTHSM2_CONF", config_file_.string()}};
}

std::size_t SoftHsmToken::count_objects(CK_OBJECT_CLASS object_class) const {
  const auto opened = open_module(label_);
  const RawModule& module = *opened;
  const RawSession session(module, module.slot_of(label_));
  std::string user_pin = read_file(pin_file_);
  const CK_RV login =
      module->C_Login(session.handle(), CKU_USER, as_utf8(user_pin), user_pin.size());
  if (login != CKR_USER_ALREADY_LOGGED_IN) expect_ok(login, "C_Login");

  CK_ATTRIBUTE wanted = {CKA_CLASS, &object_class, sizeof object_class};
  expect_ok(module->C_FindObjectsInit(session.handle(), &wanted, 1), "C_FindObjectsInit");
  std::size_t total = 0;
  CK_ULONG found = 0;
  do {
    std::array<CK_OBJECT_HANDLE, 64> handles;
    expect_ok(module->C_FindObjects(session.handle(), handles.data(), handles.size(), &found),
              "C_FindObjects");
    total += found;
  } while (found > 0);
  expect_ok(module->C_FindObjectsFinal(session.handle()), "C_FindObjectsFinal");
  if (login == CKR_OK) expect_ok(module->C_Logout(session.handle()), "C_Logout");
  return total;
}

std::size_t SoftHsmToken::count_sessions() const {
  const RawModule module(module_path());
  const RawSession newest(module, module.slot_of(label_));
  std::size_t total = 0;
  for (CK_SESSION_HANDLE handle = 1; handle < newest.handle(); ++handle) {
    CK_SESSION_INFO info{};
    total += module->C_GetSessionInfo(handle, &info) == CKR_OK ? 1 : 0;
  }
  return total;
}

}  // namespace mayfly::test
