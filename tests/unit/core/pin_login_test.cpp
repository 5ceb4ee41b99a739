#include "core/pin_login.h"

#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"

namespace mayfly {
namespace {

CK_RV check(PinLogin& login, std::string_view pin) {
  try {
    login.check(as_bytes(pin));
    return CKR_OK;
  } catch (const Error& error) {
    return error.rv();
  }
}

TEST(PinLogin, AcceptsThePinAndNothingElse) {
  PinLogin login(std::make_shared<const SecretBuffer>(as_bytes("secret")));
  EXPECT_EQ(check(login, "secret"), CKR_OK);
  for (const char* wrong : {"", "s", "Secret", "secret ", "secretsecret"}) {
    EXPECT_EQ(check(login, wrong), CKR_PIN_INCORRECT) << wrong;
  }
}

TEST(PinLogin, LocksAfterTenWrongOnesInARowAndStaysLocked) {
  PinLogin login(std::make_shared<const SecretBuffer>(as_bytes("secret")));
  for (unsigned i = 0; i + 1 < PinLogin::kMaxWrong; ++i) check(login, "wrong");
  EXPECT_EQ(check(login, "secret"), CKR_OK);  // a right one starts the count anew
  for (unsigned i = 0; i < PinLogin::kMaxWrong; ++i) {
    EXPECT_EQ(check(login, "wrong"), CKR_PIN_INCORRECT);
  }
  EXPECT_EQ(check(login, "wrong"), CKR_PIN_LOCKED);
  EXPECT_EQ(check(login, "secret"), CKR_PIN_LOCKED);
}

TEST(PinLogin, GivesManyThreadsNoMoreTriesThanOne) {
  PinLogin login(std::make_shared<const SecretBuffer>(as_bytes("secret")));
  std::atomic<unsigned> compared{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 100; ++j) compared += check(login, "wrong") == CKR_PIN_INCORRECT;
    });
  }
  threads.clear();
  EXPECT_EQ(compared, PinLogin::kMaxWrong);
}

}  // namespace
}  // namespace mayfly
