// A mirror of another process's task, when what the host says comes at a bad moment.
#include "core/hosted_keeper.h"

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "core/application.h"
#include "support/failure_of.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

using Position = ChangeLog::Position;

HostedObject data_object(std::uint64_t handle, std::uint64_t number, const std::string& label) {
  HostedObject object{handle, number, {}};
  object.attributes.set_number(CKA_CLASS, CKO_DATA);
  object.attributes.set_flag(CKA_TOKEN, true);
  object.attributes.set(CKA_LABEL, as_bytes(label));
  return object;
}

/// A host whose answers a test writes. What it does not write is answered as a host that has
/// nothing to say does.
class ScriptedHost final : public TaskHost {
 public:
  SessionNumber open_session(bool) override { return 1; }
  void close_session(SessionNumber) override {}
  void login(SessionNumber, ByteView) override {}
  void logout(SessionNumber) override { on_logout(); }
  KeyPair generate(SessionNumber, CK_MECHANISM_TYPE, const Attributes&,
                   const Attributes&) override {
    throw Error(CKR_FUNCTION_FAILED, "not in this test");
  }
  HostedObject create(SessionNumber, const Attributes&) override { return on_create(); }
  HostedObject copy(SessionNumber, std::uint64_t, const Attributes&) override {
    return on_create();
  }
  HostedObject change(SessionNumber, std::uint64_t, const Attributes&) override {
    return on_change();
  }
  void destroy(SessionNumber, std::uint64_t) override { on_destroy(); }
  std::unique_ptr<DeviceKey> key(std::uint64_t, PublicKey) override { return nullptr; }
  std::string attest(std::uint64_t, ByteView) override { return {}; }
  TaskStatus status() override { return on_status(); }
  std::uint64_t change_count() const noexcept override { return count; }
  Changes changes_since(const Position& told) override {
    asked.push_back(told);
    return on_changes(told);
  }
  std::optional<TaskState> end() const noexcept override {
    return given_up ? std::optional(TaskState::lost) : ended;
  }
  [[nodiscard]] std::chrono::milliseconds patience() const noexcept override { return patience_; }
  void look_after() noexcept override {}
  Error give_up(const std::string& why) override {
    given_up = true;
    return Error(CKR_DEVICE_REMOVED, why);
  }

  std::function<TaskStatus()> on_status = [] { return TaskStatus{}; };
  std::function<void()> on_logout = [] {};
  std::function<void()> on_destroy = [] {};
  std::function<HostedObject()> on_create;
  std::function<HostedObject()> on_change;
  std::function<Changes(const Position&)> on_changes;
  std::uint64_t count = 5;
  std::vector<Position> asked;
  bool given_up = false;
  std::optional<TaskState> ended;
  std::chrono::milliseconds patience_ = std::chrono::minutes(1);
};

class HostedKeeperTest : public testing::Test {
 protected:
  /// The labels of what is found.
  std::vector<std::string> found() {
    std::vector<std::string> labels;
    for (const ObjectHandle handle : session_->token().find({})) {
      labels.emplace_back(as_text(*session_->token().object(handle)->get(CKA_LABEL)));
    }
    return labels;
  }
  /// Tells all objects to whoever has heard nothing, and nothing to the others.
  TaskHost::Changes tell(const Position& told, std::vector<HostedObject> all) const {
    TaskHost::Changes changes{{host_->count, host_->count}, told.changed == 0, false, {}, {}};
    if (told.changed == 0) changes.changed = std::move(all);
    return changes;
  }

  using Labels = std::vector<std::string>;

  test::FakeDevice device_;
  TaskTable tasks_{device_, {}, nullptr};
  const std::shared_ptr<ScriptedHost> host_ = std::make_shared<ScriptedHost>();
  const std::shared_ptr<Task> task_ = tasks_.join(
      {"task", "0123456789abcdef", BootClock::now() + std::chrono::hours(1), {}, host_});
  Application application_{tasks_, 10};
  const std::shared_ptr<Session> session_ =
      application_.session(application_.open_session(task_->slot(), true));
};

TEST_F(HostedKeeperTest, AfterALogoutWhatWasHeardDuringItIsAskedForAgain) {
  for (const bool refused : {false, true}) {
    std::uint64_t handle = 10;
    host_->on_changes = [&](const Position& told) {
      return tell(told, {data_object(handle, 1, "a")});
    };
    session_->login(as_bytes("PIN"));
    EXPECT_EQ(found(), Labels{"a"});
    host_->on_logout = [&] {
      EXPECT_EQ(found(), Labels{"a"}) << "as another thread of the application finds it";
      handle = 11;
      if (refused) throw Error(CKR_DEVICE_ERROR, "a key is owed");
    };
    try {
      session_->logout();
      EXPECT_FALSE(refused);
    } catch (const Error& error) {
      EXPECT_EQ(error.rv(), CKR_DEVICE_ERROR);
    }
    host_->asked.clear();
    EXPECT_EQ(found(), Labels{"a"});
    ASSERT_EQ(host_->asked.size(), 1U);
    EXPECT_EQ(host_->asked[0].changed, 0U);
    const auto objects = task_->objects().find({});
    ASSERT_EQ(objects.size(), 1U);
    EXPECT_EQ(objects[0]->host_name().handle, 11U);
  }
}

TEST_F(HostedKeeperTest, AllPagesOfChangesHaveOneTimeTogether) {
  host_->patience_ = std::chrono::milliseconds(50);
  std::size_t pages = 0;
  host_->on_changes = [&](const Position&) -> TaskHost::Changes {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // each in time, for itself
    ++pages;
    return {{pages, pages}, pages == 1, true, {}, {}};
  };
  EXPECT_EQ(test::answer_of([&] { static_cast<void>(found()); }), CKR_DEVICE_REMOVED);
  EXPECT_LT(pages, 1000U);
  EXPECT_TRUE(host_->given_up);
}

TEST_F(HostedKeeperTest, ATaskWhoseKeyIsLostEndsAsTheHostSays) {
  EXPECT_EQ(task_->keeper().cause_of_loss(), TaskState::lost);
  host_->on_status = [] { return TaskStatus{TaskState::expired, 0, 0}; };
  EXPECT_EQ(task_->keeper().cause_of_loss(), TaskState::expired) << "it is ending there";
  host_->on_status = []() -> TaskStatus { throw Error(CKR_DEVICE_REMOVED, "hung up"); };
  EXPECT_EQ(task_->keeper().cause_of_loss(), TaskState::lost);
  host_->ended = TaskState::revoked;
  EXPECT_EQ(task_->keeper().cause_of_loss(), TaskState::revoked);
}

TEST_F(HostedKeeperTest, TheDeadlineIsTheSmallerOneOfTheHostsAndItsOwn) {
  const BootClock::time_point own = task_->deadline();
  for (const auto& [told, deadline] :
       {std::pair(own - std::chrono::minutes(5), own - std::chrono::minutes(5)),
        std::pair(own + std::chrono::minutes(5), own)}) {
    host_->on_status = [told = told] { return TaskStatus{TaskState::open, 0, 0, told}; };
    EXPECT_EQ(task_->keeper().status(*task_).deadline, deadline);
  }
}

TEST_F(HostedKeeperTest, AListThatBreaksOffIsBegunAgain) {
  host_->on_changes = [&](const Position& told) {
    return tell(told, {data_object(10, 1, "gone soon"), data_object(11, 2, "stays")});
  };
  EXPECT_EQ(found(), (Labels{"gone soon", "stays"}));
  ++host_->count;
  host_->on_changes = [&](const Position& told) -> TaskHost::Changes {
    if (told.changed == 3) throw Error(CKR_HOST_MEMORY, "no memory");
    return {{3, 6}, true, true, {data_object(11, 2, "stays")}, {}};
  };
  EXPECT_THROW(found(), Error);
  host_->on_changes = [&](const Position& told) {
    return tell(told, {data_object(11, 2, "stays")});
  };
  EXPECT_EQ(found(), Labels{"stays"});
}

TEST_F(HostedKeeperTest, AHostThatTellsTheSameAgainIsGivenUp) {
  host_->on_changes = [&](const Position&) -> TaskHost::Changes {
    return {{3, 3}, false, true, {}, {}};
  };
  EXPECT_THROW(found(), Error);
  EXPECT_TRUE(host_->given_up);
  EXPECT_FALSE(task_->alive());
  EXPECT_LE(host_->asked.size(), 3U);
}

TEST_F(HostedKeeperTest, AnAnswerThatComesLateDoesNotStayInPlaceOfWhatIsNewer) {
  host_->on_changes = [&](const Position& told) { return tell(told, {data_object(10, 1, "old")}); };
  EXPECT_EQ(found(), Labels{"old"});
  const ObjectHandle handle = session_->token().find({}).at(0);
  host_->on_changes = [&](const Position& told) {
    TaskHost::Changes changes = tell(told, {data_object(10, 1, "newest")});
    if (told.changed == 5) changes.changed = {data_object(10, 1, "newest")};
    return changes;
  };
  host_->on_change = [&] {
    host_->count = 7;
    EXPECT_EQ(found(), Labels{"newest"}) << "another thread hears what came after our change";
    return data_object(10, 1, "mine");
  };
  session_->set_attributes(handle, {});
  EXPECT_EQ(found(), Labels{"newest"});
}

TEST_F(HostedKeeperTest, AnObjectThatWentBeforeItsCreatorHeardOfItIsGone) {
  host_->on_changes = [&](const Position& told) { return tell(told, {}); };
  EXPECT_EQ(found(), Labels{});
  host_->on_changes = [&](const Position& told) {
    TaskHost::Changes changes = tell(told, {});
    if (told.gone == 5) changes.removed = {9};
    return changes;
  };
  host_->on_create = [&] {
    host_->count = 7;
    EXPECT_EQ(found(), Labels{}) << "another thread hears that it came and went";
    return data_object(20, 9, "zombie");
  };
  session_->create_object({});
  EXPECT_EQ(found(), Labels{});
}

}  // namespace
}  // namespace mayfly
