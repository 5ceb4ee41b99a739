#include "support/tpm2_pkcs11_token.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <sys/wait.h>
#include <unistd.h>

#include "support/raw_module.h"

namespace mayfly::test {
namespace {

constexpr char kSoPin[] = "87654321";

CK_UTF8CHAR_PTR text(const char* string) {
  return reinterpret_cast<CK_UTF8CHAR_PTR>(const_cast<char*>(string));
}

void make_token() {
  const RawModule module(Tpm2Pkcs11Token::module_path());
  CK_UTF8CHAR padded[32];
  std::fill(std::begin(padded), std::end(padded), ' ');
  std::copy_n(Tpm2Pkcs11Token::kLabel, sizeof Tpm2Pkcs11Token::kLabel - 1, padded);
  expect_ok(module->C_InitToken(module.free_slot(), text(kSoPin), sizeof kSoPin - 1, padded),
            "C_InitToken");
  const RawSession session(module, module.slot_of(Tpm2Pkcs11Token::kLabel));
  expect_ok(module->C_Login(session.handle(), CKU_SO, text(kSoPin), sizeof kSoPin - 1), "C_Login");
  expect_ok(module->C_InitPIN(session.handle(), text(Tpm2Pkcs11Token::kPin),
                              sizeof Tpm2Pkcs11Token::kPin - 1),
            "C_InitPIN");
}

}  // namespace

int in_process_of_its_own(const std::function<void()>& action) {
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    try {
      action();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      _exit(1);
    }
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

Tpm2Pkcs11Token::Tpm2Pkcs11Token(const Swtpm& tpm)
    : tcti_("TPM2_PKCS11_TCTI", tpm.tcti()),
      store_("TPM2_PKCS11_STORE", folder_.path().string()),
      backend_("TPM2_PKCS11_BACKEND", "esysdb"),
      quiet_("TSS2_LOG", "all+NONE") {
  if (in_process_of_its_own(make_token) != 0)
    throw std::runtime_error("tpm2-pkcs11 makes no token");
  tpm.flush_objects();
}

const char* Tpm2Pkcs11Token::module_path() noexcept { return MAYFLY_TPM2_PKCS11_MODULE; }

void Tpm2Pkcs11Token::reach_by(const std::string& tcti) {
  setenv("TPM2_PKCS11_TCTI", tcti.c_str(), 1);
}

}  // namespace mayfly::test
