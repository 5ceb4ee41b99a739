// A whole signing operation in one go: all that C_SignInit and C_Sign check is checked.
#include "core/signing.h"

#include <array>

#include <gtest/gtest.h>

#include "base/error.h"
#include "core/application.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

using test::kSomeDigest;

class SignPreparedTest : public testing::Test {
 protected:
  ObjectHandle make_key(const Attributes& private_wanted = {}) {
    return session
        ->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(), private_wanted)
        .private_key;
  }

  CK_RV sign(const MechanismChoice& choice, ObjectHandle handle, ByteView input) {
    out.fill(0);
    try {
      return sign_prepared(session->token(), choice, handle, input, out) == 64 ? CKR_OK
                                                                               : CKR_GENERAL_ERROR;
    } catch (const Error& error) {
      return error.rv();
    }
  }

  [[nodiscard]] bool is_written() const { return out != std::array<std::uint8_t, 64>{}; }

  test::FakeDevice device;
  TaskTable tasks{device, {}, nullptr};
  std::shared_ptr<Task> task = tasks.open({"task", {}});
  Application application{tasks, 100};
  std::shared_ptr<Session> session =
      application.session(application.open_session(task->slot(), true));
  std::array<std::uint8_t, 64> out{};
};

TEST_F(SignPreparedTest, SignsADigestOfTheMechanismsHashAndNothingElse) {
  const ObjectHandle key = make_key();
  EXPECT_EQ(sign({CKM_ECDSA_SHA256, {}}, key, kSomeDigest), CKR_OK);
  EXPECT_TRUE(is_written());
  for (const std::size_t size : {0U, 31U, 33U, 48U}) {
    EXPECT_EQ(sign({CKM_ECDSA_SHA256, {}}, key, Bytes(size, 1)), CKR_DATA_LEN_RANGE) << size;
    EXPECT_FALSE(is_written());
  }
  EXPECT_EQ(sign({CKM_ECDSA, {}}, key, Bytes(20, 1)), CKR_OK);
  EXPECT_EQ(sign({CKM_ECDSA, {}}, key, Bytes(65, 1)), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(sign({CKM_ECDSA, {}}, key, {}), CKR_DATA_LEN_RANGE);
}

TEST_F(SignPreparedTest, RefusesWhatCSignInitRefuses) {
  Attributes narrow;
  const CK_MECHANISM_TYPE allowed = CKM_ECDSA;
  narrow.set(CKA_ALLOWED_MECHANISMS,
             {reinterpret_cast<const std::uint8_t*>(&allowed), sizeof allowed});
  Attributes idle;
  idle.set_flag(CKA_SIGN, false);
  const ObjectHandle key = make_key();
  const ObjectHandle narrow_key = make_key(narrow);
  const ObjectHandle idle_key = make_key(idle);
  EXPECT_EQ(sign({CKM_ECDSA, {}}, narrow_key, kSomeDigest), CKR_OK);
  EXPECT_EQ(sign({CKM_ECDSA_SHA256, {}}, narrow_key, kSomeDigest), CKR_KEY_FUNCTION_NOT_PERMITTED);
  EXPECT_EQ(sign({CKM_ECDSA, {}}, idle_key, kSomeDigest), CKR_KEY_FUNCTION_NOT_PERMITTED);
  EXPECT_EQ(sign({CKM_RSA_PKCS, {}}, key, kSomeDigest), CKR_KEY_TYPE_INCONSISTENT);
  EXPECT_EQ(sign({CKM_EDDSA, {}}, key, kSomeDigest), CKR_MECHANISM_INVALID);
  EXPECT_EQ(sign({CKM_SHA256, {}}, key, kSomeDigest), CKR_MECHANISM_INVALID);
  EXPECT_EQ(sign({CKM_ECDSA, {}}, ObjectHandle{key.value + 1'000}, kSomeDigest),
            CKR_KEY_HANDLE_INVALID);
  const auto halves =
      session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(), Attributes{});
  EXPECT_EQ(sign({CKM_ECDSA, {}}, halves.public_key, kSomeDigest), CKR_KEY_HANDLE_INVALID);
}

TEST_F(SignPreparedTest, WhatHappensDuringASignatureDecidesWhetherItIsGivenOut) {
  struct Case {
    const char* what;
    std::function<void()> meanwhile;
    CK_RV expected;
  };
  const Case cases[] = {
      {"nothing", [] {}, CKR_OK},
      {"logged out", [&] { session->logout(); }, CKR_USER_NOT_LOGGED_IN},
      {"deadline",
       [&] {
         while (task->alive()) std::this_thread::yield();
       },
       CKR_DEVICE_REMOVED},
  };
  for (const Case& test : cases) {
    const bool brief = test.expected == CKR_DEVICE_REMOVED;
    task = tasks.open({test.what, std::chrono::seconds(brief ? 1 : 900)});
    session = application.session(application.open_session(task->slot(), true));
    Attributes wanted;
    wanted.set_flag(CKA_TOKEN, true);
    const ObjectHandle key = make_key(wanted);
    if (test.expected == CKR_USER_NOT_LOGGED_IN) session->login(as_bytes("any"));
    device.state.on_sign = test.meanwhile;
    EXPECT_EQ(sign({CKM_ECDSA, {}}, key, kSomeDigest), test.expected) << test.what;
    EXPECT_EQ(is_written(), test.expected == CKR_OK) << test.what;
    device.state.on_sign = nullptr;
  }
}

TEST_F(SignPreparedTest, AnEndedTaskSignsNothingAndALostKeyEndsIt) {
  const ObjectHandle key = make_key();
  device.state.lose_keys = true;
  EXPECT_EQ(sign({CKM_ECDSA, {}}, key, kSomeDigest), CKR_DEVICE_REMOVED);
  EXPECT_EQ(task->state(), TaskState::lost);
  EXPECT_EQ(sign({CKM_ECDSA, {}}, key, kSomeDigest), CKR_SESSION_HANDLE_INVALID);
}

TEST(SignPreparedLogin, NeedsALoginWhereOneIsRequired) {
  test::FakeDevice device;
  TaskLimits limits;
  limits.policy.login_required = true;
  struct AnyPin final : Login {
    void check(ByteView) override {}
    [[nodiscard]] CK_FLAGS token_flags() const noexcept override { return 0; }
  };
  TaskTable tasks(device, limits, [] { return std::make_unique<AnyPin>(); });
  const auto task = tasks.open({"task", {}});
  Application application(tasks, 10);
  const auto session = application.session(application.open_session(task->slot(), true));
  std::array<std::uint8_t, 64> out{};
  try {
    sign_prepared(session->token(), {CKM_ECDSA, {}}, ObjectHandle{1}, kSomeDigest, out);
    ADD_FAILURE() << "signed";
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), CKR_USER_NOT_LOGGED_IN);
  }
}

}  // namespace
}  // namespace mayfly
