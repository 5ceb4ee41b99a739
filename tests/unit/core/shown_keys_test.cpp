// Two applications of one task, of which one can't be shown keys of a type.
#include "core/shown_keys.h"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "base/error.h"
#include "core/application.h"
#include "support/failure_of.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

class ShownKeysTest : public testing::Test {
 protected:
  static std::shared_ptr<Session> open(Application& user, const Task& task) {
    return user.session(user.open_session(task.slot(), true));
  }

  test::FakeDevice device;
  TaskTable tasks{device, {}, nullptr};
  std::shared_ptr<Task> task = tasks.open({"task", {}});
  Application seeing{tasks, 10};
  Application blind{tasks, 10, ShownKeys::all_but(CKK_EC)};
  std::shared_ptr<Session> all = open(seeing, *task);
  std::shared_ptr<Session> some = open(blind, *task);
};

TEST_F(ShownKeysTest, WhatIsLeftOutIsNotFoundAndNotTold) {
  task->objects().keep_changes([](ChangeLog::Moment) {});
  Attributes wanted = test::p256_public_template();
  Attributes private_wanted;
  wanted.set_flag(CKA_TOKEN, true);
  private_wanted.set_flag(CKA_TOKEN, true);
  all->generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, private_wanted);
  EXPECT_EQ(all->token().find({}).size(), 3U);
  EXPECT_EQ(some->token().find({}).size(), 1U);  // the task's own data object
  EXPECT_EQ(all->token().changes_since({}, 10'000).changed.size(), 3U);
  EXPECT_EQ(some->token().changes_since({}, 10'000).changed.size(), 1U);
}

TEST_F(ShownKeysTest, WhatIsLeftOutCantBeMadeOrUsed) {
  const Attributes wanted = test::p256_public_template();
  EXPECT_EQ(test::answer_of([&] { some->generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, {}); }),
            CKR_MECHANISM_INVALID);
  EXPECT_EQ(device.state.asked, 0);
  const auto pair = all->generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, {});
  EXPECT_EQ(test::answer_of([&] {
              some->sign_init({CKM_ECDSA, {}}, pair.private_key);
            }),
            CKR_MECHANISM_INVALID);
  EXPECT_EQ(test::answer_of([&] {
              some->verify_init({CKM_ECDSA, {}}, pair.public_key);
            }),
            CKR_MECHANISM_INVALID);
  std::array<std::uint8_t, 64> out{};
  EXPECT_EQ(test::answer_of([&] {
              sign_prepared(some->token(), {CKM_ECDSA, {}}, pair.private_key, Bytes(32), out);
            }),
            CKR_MECHANISM_INVALID);
  Attributes imported = wanted;
  imported.set_number(CKA_CLASS, CKO_PUBLIC_KEY);
  imported.set_number(CKA_KEY_TYPE, CKK_EC);
  imported.set(CKA_EC_POINT, encode_ec_point(test::some_public_key().point()));
  EXPECT_EQ(test::answer_of([&] { some->create_object(imported); }), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(test::answer_of([&] { all->create_object(imported); }), CKR_OK);
}

TEST_F(ShownKeysTest, MechanismsOfWhatIsLeftOutAreNotOffered) {
  const auto some_mechanisms = blind.shown_keys().mechanisms(task->offer());
  const auto all_mechanisms = seeing.shown_keys().mechanisms(task->offer());
  EXPECT_LT(some_mechanisms.size(), all_mechanisms.size());
  EXPECT_NE(std::ranges::find(some_mechanisms, CKM_SHA256), some_mechanisms.end());
  EXPECT_NE(std::ranges::find(some_mechanisms, CKM_RSA_PKCS), some_mechanisms.end());
  for (const CK_MECHANISM_TYPE type : {CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKM_ECDSA_SHA256}) {
    EXPECT_EQ(std::ranges::find(some_mechanisms, type), some_mechanisms.end());
    EXPECT_EQ(test::answer_of([&] {
                static_cast<void>(blind.shown_keys().mechanism_info(type, task->offer()));
              }),
              CKR_MECHANISM_INVALID);
    EXPECT_EQ(test::answer_of([&] {
                static_cast<void>(seeing.shown_keys().mechanism_info(type, task->offer()));
              }),
              CKR_OK);
  }
}

}  // namespace
}  // namespace mayfly
