// Stored keys on tpm2-pkcs11, which has no session keys at all, over a TPM of the test's own.
#include <csignal>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "compose/registry_journal.h"
#include "integration/device/pkcs11_test_device.h"
#include "registry/sqlite/sqlite_registry.h"
#include "support/raw_module.h"
#include "support/tpm2_pkcs11_token.h"

namespace mayfly::test {
namespace {

CK_UTF8CHAR_PTR text(const char* string) {
  return reinterpret_cast<CK_UTF8CHAR_PTR>(const_cast<char*>(string));
}

/// Each step runs in a process of its own, so that the next one finds the TPM's slots empty.
class Tpm2Pkcs11Test : public testing::Test {
 protected:
  /// Does something in a process, which must get to its end unless it is to be killed.
  void step(const std::function<void()>& action) {
    const int status = in_process_of_its_own([&] {
      action();
      if (testing::Test::HasFailure()) throw std::runtime_error("a step failed");
    });
    EXPECT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) << status;
    tpm_.flush_objects();
  }

  [[nodiscard]] std::unique_ptr<Device> open() const {
    Pkcs11DeviceOptions options;
    options.module = Tpm2Pkcs11Token::module_path();
    options.token = std::string("pkcs11:token=") + Tpm2Pkcs11Token::kLabel;
    options.fetch_pin = [] { return SecretBuffer(as_bytes(Tpm2Pkcs11Token::kPin)); };
    options.storage = KeyStorage::stored;
    options.other_usages_off = false;
    options.journal =
        std::make_shared<RegistryJournal>(open_sqlite_registry(folder_.path() / "registry.db"));
    return open_pkcs11_device(std::move(options));
  }

  /// Makes a key that is not mayfly's.
  void make_foreign_key() {
    step([] {
      const RawModule module(Tpm2Pkcs11Token::module_path());
      const RawSession session(module, module.slot_of(Tpm2Pkcs11Token::kLabel));
      expect_ok(module->C_Login(session.handle(), CKU_USER, text(Tpm2Pkcs11Token::kPin),
                                sizeof Tpm2Pkcs11Token::kPin - 1),
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
  Tpm2Pkcs11Token token_{tpm_};
  TempFolder folder_;
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
