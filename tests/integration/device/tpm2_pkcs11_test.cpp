// Stored keys on tpm2-pkcs11, which has no session keys at all, over a TPM of the test's own.
#include <csignal>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "compose/registry_journal.h"
#include "integration/device/pkcs11_test_device.h"
#include "registry/sqlite/sqlite_registry.h"
#include "support/environment.h"
#include "support/raw_module.h"
#include "support/swtpm.h"

namespace mayfly::test {
namespace {

constexpr char kLabel[] = "mayfly-test";
constexpr char kSoPin[] = "87654321";
constexpr char kPin[] = "12345678";

CK_UTF8CHAR_PTR text(const char* string) {
  return reinterpret_cast<CK_UTF8CHAR_PTR>(const_cast<char*>(string));
}

/// Each step runs in a process of its own: this library keeps keys loaded in the TPM's few slots
/// until its process ends and, where there is no resource manager, until somebody flushes them.
class Tpm2Pkcs11Test : public testing::Test {
 protected:
  Tpm2Pkcs11Test()
      : tcti_("TPM2_PKCS11_TCTI", tpm_.tcti()),
        store_("TPM2_PKCS11_STORE", folder_.path().string()),
        backend_("TPM2_PKCS11_BACKEND", "esysdb"),
        quiet_("TSS2_LOG", "all+NONE") {
    step([] {
      const RawModule module(MAYFLY_TPM2_PKCS11_MODULE);
      CK_UTF8CHAR padded[32];
      std::fill(std::begin(padded), std::end(padded), ' ');
      std::copy_n(kLabel, sizeof kLabel - 1, padded);
      expect_ok(module->C_InitToken(module.free_slot(), text(kSoPin), sizeof kSoPin - 1, padded),
                "C_InitToken");
      const RawSession session(module, module.slot_of(kLabel));
      expect_ok(module->C_Login(session.handle(), CKU_SO, text(kSoPin), sizeof kSoPin - 1),
                "C_Login");
      expect_ok(module->C_InitPIN(session.handle(), text(kPin), sizeof kPin - 1), "C_InitPIN");
    });
  }

  /// Does something in a process, which must get to its end unless it is to be killed.
  void step(const std::function<void()>& action) {
    const pid_t child = fork();
    if (child == 0) {
      try {
        action();
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        _exit(1);
      }
      _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) << status;
    tpm_.flush_objects();
  }

  [[nodiscard]] std::unique_ptr<Device> open() const {
    Pkcs11DeviceOptions options;
    options.module = MAYFLY_TPM2_PKCS11_MODULE;
    options.token = std::string("pkcs11:token=") + kLabel;
    options.fetch_pin = [] { return SecretBuffer(as_bytes(kPin)); };
    options.storage = KeyStorage::stored;
    options.other_usages_off = false;
    options.journal =
        std::make_shared<RegistryJournal>(open_sqlite_registry(folder_.path() / "registry.db"));
    return open_pkcs11_device(std::move(options));
  }

  /// Makes a key that is not mayfly's.
  void make_foreign_key() {
    step([] {
      const RawModule module(MAYFLY_TPM2_PKCS11_MODULE);
      const RawSession session(module, module.slot_of(kLabel));
      expect_ok(module->C_Login(session.handle(), CKU_USER, text(kPin), sizeof kPin - 1),
                "C_Login");
      CK_BBOOL yes = CK_TRUE;
      Bytes curve = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
      Bytes id = {1};
      std::vector<CK_ATTRIBUTE> public_half = {{CKA_TOKEN, &yes, sizeof yes},
                                               {CKA_EC_PARAMS, curve.data(), curve.size()},
                                               {CKA_ID, id.data(), id.size()}};
      std::vector<CK_ATTRIBUTE> private_half = {{CKA_TOKEN, &yes, sizeof yes},
                                                {CKA_SIGN, &yes, sizeof yes},
                                                {CKA_ID, id.data(), id.size()}};
      CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
      CK_OBJECT_HANDLE first = 0;
      CK_OBJECT_HANDLE second = 0;
      expect_ok(module->C_GenerateKeyPair(session.handle(), &mechanism, public_half.data(),
                                          public_half.size(), private_half.data(),
                                          private_half.size(), &first, &second),
                "C_GenerateKeyPair");
    });
  }

  Swtpm tpm_;
  TempFolder folder_;
  ScopedVariable tcti_;
  ScopedVariable store_;
  ScopedVariable backend_;
  ScopedVariable quiet_;
};

TEST_F(Tpm2Pkcs11Test, AKeyIsMadeUsedAndDestroyed) {
  make_foreign_key();
  step([&] {
    const auto device = open();
    const auto key = device->open_scope(any_owner())->generate(kP256);
    EXPECT_TRUE(signs(*key));
    EXPECT_EQ(device->reap(ReapReach::device, EarlierBoots::may_live).alive, 1U);
    EXPECT_EQ(key->destroy(), Destruction::destroyed);
    const ReapReport report = device->reap(ReapReach::device, EarlierBoots::may_live);
    EXPECT_EQ(report.alive + report.destroyed + report.pending, 0U);
    EXPECT_EQ(report.foreign, 2U);
    device->close();
  });
}

TEST_F(Tpm2Pkcs11Test, WhatAKilledProcessLeavesIsReapedAndNothingElse) {
  make_foreign_key();
  step([&] {
    const auto device = open();
    const auto key = device->open_scope(any_owner())->generate(kP256);
    EXPECT_TRUE(signs(*key));
    kill(getpid(), SIGKILL);
  });
  step([&] {
    const auto device = open();
    const ReapReport report = device->reap(ReapReach::device, EarlierBoots::may_live);
    EXPECT_EQ(report.destroyed, 1U);
    EXPECT_EQ(report.foreign, 2U);
    const ReapReport again = device->reap(ReapReach::device, EarlierBoots::may_live);
    EXPECT_EQ(again.destroyed + again.alive + again.pending, 0U);
    EXPECT_EQ(again.foreign, 2U);
    device->close();
  });
}

}  // namespace
}  // namespace mayfly::test
