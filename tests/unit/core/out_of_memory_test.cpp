// Every allocation of what core does fails once: what was to be changed is as it was before, and
// what goes goes without any.
#include <gtest/gtest.h>

#include "core/application.h"
#include "support/failing_memory.h"
#include "unit/core/fake_device.h"

namespace mayfly::test {
namespace {

constexpr std::size_t kMostObjects = 50;

// Longer than what a string has room for in itself.
const std::string kOldLabel = "the label that all objects have at first";
const std::string kNewLabel = "the label that one of them gets later on";

Attributes certificate(const std::string& label, const std::string& id) {
  Attributes attributes;
  attributes.set_number(CKA_CLASS, CKO_CERTIFICATE);
  attributes.set(CKA_LABEL, as_bytes(label));
  attributes.set(CKA_ID, as_bytes(id + ", which is an ID of many characters"));
  return attributes;
}

Attributes labelled(const std::string& label) {
  Attributes wanted;
  wanted.set(CKA_LABEL, as_bytes(label));
  return wanted;
}

/// The quota is taken by so much, and by nothing else.
void expect_taken(ObjectQuota& quota, std::size_t objects, std::size_t bytes) {
  const std::size_t rest = kMostObjects - objects;
  const std::size_t rest_bytes = kMostObjects * ObjectQuota::kBytesPerObject - bytes;
  EXPECT_NO_THROW({
    quota.take(rest, rest_bytes);
    quota.give_back(rest, rest_bytes);
  });
  EXPECT_THROW(quota.take(rest + 1, 0), Error);
  EXPECT_THROW(quota.take(0, rest_bytes + 1), Error);
}

class StoreOutOfMemoryTest : public testing::Test {
 protected:
  StoreOutOfMemoryTest() {
    store_.keep_changes([](ChangeLog::Moment) {});
    store_.add(first_);
    store_.add(second_);
  }

  void expect_contents(const std::vector<ObjectStore::ObjectPtr>& all,
                       const std::vector<ObjectStore::ObjectPtr>& with_old_label,
                       const std::vector<ObjectStore::ObjectPtr>& with_new_label) {
    EXPECT_EQ(store_.find({}), all);
    EXPECT_EQ(store_.find(labelled(kOldLabel)), with_old_label);
    EXPECT_EQ(store_.find(labelled(kNewLabel)), with_new_label);
    std::size_t bytes = 0;
    for (const auto& object : all) bytes += object->size();
    expect_taken(quota_, all.size(), bytes);
    EXPECT_EQ(store_.changes_since({}, bytes).changed.size(), all.size());
  }

  ObjectQuota quota_{kMostObjects};
  ObjectStore store_{quota_};
  const ObjectStore::ObjectPtr first_ = std::make_shared<Object>(certificate(kOldLabel, "1"));
  const ObjectStore::ObjectPtr second_ = std::make_shared<Object>(certificate(kOldLabel, "2"));
};

TEST_F(StoreOutOfMemoryTest, WhatCouldNotBeAddedLeavesNothingBehind) {
  for (const std::string& label : {kOldLabel, kNewLabel}) {
    const auto third = std::make_shared<Object>(certificate(label, "3"));
    const unsigned failed =
        with_each_allocation_failing([&] { store_.add(third); },
                                     [&] {
                                       expect_contents({first_, second_}, {first_, second_}, {});
                                       EXPECT_FALSE(store_.remove(*third));
                                     });
    EXPECT_GT(failed, 5U);
    expect_contents(
        {first_, second_, third},
        label == kOldLabel ? std::vector{first_, second_, third} : std::vector{first_, second_},
        label == kOldLabel ? std::vector<ObjectStore::ObjectPtr>{} : std::vector{third});
    EXPECT_TRUE(store_.remove(*third));
    expect_contents({first_, second_}, {first_, second_}, {});
  }
}

TEST_F(StoreOutOfMemoryTest, WhatCouldNotBeChangedIsAsItWas) {
  const Attributes changes = labelled(kNewLabel);
  const Attributes back = labelled(kOldLabel);
  EXPECT_GT(
      with_each_allocation_failing([&] { store_.update(*second_, changes); },
                                   [&] {
                                     expect_contents({first_, second_}, {first_, second_}, {});
                                   }),
      3U);
  expect_contents({first_, second_}, {first_}, {second_});
  EXPECT_GT(with_each_allocation_failing([&] { store_.update(*second_, back); },
                                         [&] {
                                           expect_contents({first_, second_}, {first_}, {second_});
                                         }),
            1U);
  expect_contents({first_, second_}, {first_, second_}, {});
}

TEST_F(StoreOutOfMemoryTest, WhatGoesNeedsNoMemory) {
  const auto is_second = [this](const Object& object) { return &object == second_.get(); };
  const FailingMemory memory(1);
  EXPECT_TRUE(store_.remove(*first_));
  EXPECT_EQ(store_.take_if(is_second).size(), 1U);
  EXPECT_EQ(store_.size(), 0U);
  EXPECT_FALSE(FailingMemory::struck());
}

class CoreOutOfMemoryTest : public testing::Test {
 protected:
  static TaskLimits limits() {
    TaskLimits result;
    result.policy.max_objects = kMostObjects;
    return result;
  }

  [[nodiscard]] std::shared_ptr<Session> open() {
    return application_.session(application_.open_session(task_->slot(), true));
  }

  static Attributes wanted_certificate() {
    Attributes wanted = certificate(kNewLabel, "1");
    wanted.set_number(CKA_CERTIFICATE_TYPE, CKC_X_509);
    wanted.set(CKA_SUBJECT, as_bytes("subject"));
    wanted.set(CKA_VALUE, as_bytes("value"));
    return wanted;
  }

  static std::vector<ObjectHandle> find(Session& session, const Attributes& wanted) {
    session.find_init(wanted);
    auto found = session.find_next(100);
    session.find_final();
    return found;
  }

  /// Nothing of what failed is there: the object of the task is alone.
  void expect_no_objects(Session& session) {
    const auto all = find(session, {});
    ASSERT_EQ(all.size(), 1U);
    expect_taken(task_->quota(), 1, session.object(all.front())->size());
  }

  FakeDevice device_;
  TaskTable tasks_{device_, limits(), nullptr};
  const std::shared_ptr<Task> task_ = tasks_.open({"task", {}});
  Application application_{tasks_, 2};
};

TEST_F(CoreOutOfMemoryTest, ATaskThatCouldNotBeOpenedIsNotThere) {
  const auto deadline = tasks_.next_deadline();
  const TaskRequest request{"another, with an ID of many characters", std::chrono::seconds(10)};
  const auto act = [&] { tasks_.open(request); };
  EXPECT_GT(with_each_allocation_failing(act,
                                         [&] {
                                           EXPECT_EQ(tasks_.slots().size(), 1U);
                                           EXPECT_EQ(tasks_.next_deadline(), deadline);
                                         }),
            10U);
  EXPECT_EQ(tasks_.slots().size(), 2U);
  EXPECT_LT(tasks_.next_deadline(), deadline);
}

TEST_F(CoreOutOfMemoryTest, ASessionThatCouldNotBeOpenedIsNotThere) {
  application_.close_session(application_.open_session(task_->slot(), true));
  const auto act = [&] { application_.open_session(task_->slot(), true); };
  const auto check = [&] { EXPECT_EQ(application_.session_counts(task_->slot()).all, 0U); };
  EXPECT_GT(with_each_allocation_failing(act, check), 2U);
  EXPECT_EQ(application_.session_counts(task_->slot()).read_write, 1U);
  EXPECT_NO_THROW(act());
  EXPECT_THROW(act(), Error) << "two are the most";
}

TEST_F(CoreOutOfMemoryTest, AnObjectThatCouldNotBeMadeIsNotThere) {
  const auto session = open();
  expect_no_objects(*session);
  Attributes wanted = wanted_certificate();
  for (const bool token_object : {false, true}) {
    wanted.set_flag(CKA_TOKEN, token_object);
    ObjectHandle made;
    EXPECT_GT(with_each_allocation_failing([&] { made = session->create_object(wanted); },
                                           [&] { expect_no_objects(*session); }),
              10U);
    EXPECT_EQ(find(*session, labelled(kNewLabel)), std::vector{made});
    session->destroy_object(made);
    expect_no_objects(*session);
  }
}

TEST_F(CoreOutOfMemoryTest, EveryHandleThatASearchGivesIsGood) {
  const auto maker = open();
  Attributes wanted = wanted_certificate();
  wanted.set_flag(CKA_TOKEN, true);
  for (int i = 0; i < 3; ++i) maker->create_object(wanted);
  Application other(tasks_, 2);  // has no handles of them yet
  const auto session = other.session(other.open_session(task_->slot(), false));
  const Attributes label = labelled(kNewLabel);
  EXPECT_GT(with_each_allocation_failing([&] { session->find_init(label); }, [] {}), 3U);
  const auto found = session->find_next(100);
  EXPECT_EQ(found.size(), 3U);
  for (const ObjectHandle handle : found)
    EXPECT_NO_THROW(static_cast<void>(session->object(handle)));
}

TEST_F(CoreOutOfMemoryTest, AKeyPairThatCouldNotBeMadeIsNotThere) {
  const auto session = open();
  const Attributes wanted = p256_public_template();
  const auto first = session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, {});
  session->destroy_object(first.public_key);
  session->destroy_object(first.private_key);
  expect_no_objects(*session);
  EXPECT_GT(with_each_allocation_failing(
                [&] { session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, {}); },
                [&] {
                  EXPECT_EQ(device_.state.living, device_.state.owed);
                  EXPECT_EQ(task_->key_count(), 0U);
                  expect_no_objects(*session);
                }),
            20U);
  EXPECT_EQ(task_->key_count(), 1U);
}

TEST_F(CoreOutOfMemoryTest, ClosingAndEndingDestroysAllKeys) {
  const Attributes wanted = p256_public_template();
  for (int round = 0; round < 2; ++round) {
    const auto session = open();
    session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, {});
    EXPECT_EQ(device_.state.living, 1);
    {
      const FailingMemory memory(1);
      if (round == 0) application_.close_session(session->handle());
      if (round == 1) tasks_.end(task_->slot(), TaskState::closed);
    }
    EXPECT_EQ(device_.state.living, 0);
  }
  EXPECT_TRUE(tasks_.slots().empty());
}

}  // namespace
}  // namespace mayfly::test
