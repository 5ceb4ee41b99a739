#include "core/task_table.h"

#include <ctime>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

using namespace std::chrono_literals;

CK_RV open(TaskTable& tasks, std::string id, std::optional<std::chrono::seconds> ttl = {}) {
  try {
    tasks.open({std::move(id), ttl});
    return CKR_OK;
  } catch (const Error& error) {
    return error.rv();
  }
}

TEST(TaskTable, ChecksTaskIds) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  EXPECT_EQ(open(tasks, ""), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(open(tasks, std::string(256, 'x')), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(open(tasks, "a\nb"), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(open(tasks, "a\xff"), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(open(tasks, std::string("a\0b", 3)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(open(tasks, std::string(255, 'x')), CKR_OK);
  EXPECT_EQ(open(tasks, "Rechnung 7 – prüfen"), CKR_OK);
  EXPECT_EQ(open(tasks, "Rechnung 7 – prüfen"), CKR_FUNCTION_REJECTED);
}

TEST(TaskTable, ChecksTimes) {
  test::FakeDevice device;
  TaskLimits limits;
  limits.max_ttl = 60s;
  TaskTable tasks(device, limits, nullptr);
  EXPECT_EQ(open(tasks, "zero", 0s), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(open(tasks, "negative", -5s), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(open(tasks, "most", 60s), CKR_OK);
  EXPECT_EQ(open(tasks, "over", 61s), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(open(tasks, "absurd", std::chrono::seconds::max()), CKR_ARGUMENTS_BAD);
}

TEST(TaskTable, CutsTheLabelOnACharacterBoundary) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const std::string id = std::string(31, 'x') + "é";
  EXPECT_EQ(tasks.open({id, {}})->label(), std::string(31, 'x'));
}

TEST(TaskTable, GivesEachTaskASlotAndASerialOfItsOwn) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto a = tasks.open({"a", {}});
  const auto b = tasks.open({"b", {}});
  EXPECT_NE(a->slot(), b->slot());
  EXPECT_NE(a->serial(), b->serial());
  EXPECT_EQ(a->serial().size(), 16U);
  EXPECT_EQ(tasks.slots(), (std::vector{a->slot(), b->slot()}));
  tasks.end(a->slot(), TaskState::closed);
  const auto again = tasks.open({"a", {}});
  EXPECT_NE(again->slot(), a->slot());
  EXPECT_NE(again->serial(), a->serial());
}

TEST(TaskTable, EndsAreFinalAndHappenOnce) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto task = tasks.open({"a", {}});
  task->generate(*task->open_scope(), {CKK_EC, 256});
  EXPECT_EQ(task->state(), TaskState::active);
  const auto report = tasks.end(task->slot(), TaskState::revoked);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->destroyed, 1U);
  EXPECT_EQ(task->end(TaskState::closed), std::nullopt);
  EXPECT_EQ(tasks.end(task->slot(), TaskState::closed), std::nullopt);
  EXPECT_EQ(task->state(), TaskState::revoked);
  EXPECT_EQ(device.state.living, 0);
  EXPECT_TRUE(tasks.ended_lately(task->slot()));
  EXPECT_THROW(task->generate(*task->open_scope(), {CKK_EC, 256}), Error);
  EXPECT_EQ(device.state.living, 0);
}

TEST(TaskTable, ReportsKeysThatTheDeviceStillOwes) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto task = tasks.open({"a", {}});
  task->generate(*task->open_scope(), {CKK_EC, 256});
  device.state.refuse_destruction = true;
  const auto report = tasks.end(task->slot(), TaskState::closed);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->destroyed, 0U);
  EXPECT_EQ(report->pending, 1U);
  EXPECT_THROW(report->require_destroyed(), Error);
}

TEST(TaskTable, EndsEachTaskAtItsOwnDeadline) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto first = tasks.open({"first", 1s});
  const auto second = tasks.open({"second", 100s});
  EXPECT_EQ(tasks.next_deadline(), first->deadline());
  tasks.expire_due(first->deadline() - 1ns);
  EXPECT_EQ(first->state(), TaskState::open);
  tasks.expire_due(first->deadline());
  EXPECT_EQ(first->state(), TaskState::expired);
  EXPECT_EQ(second->state(), TaskState::open);
  EXPECT_EQ(tasks.next_deadline(), second->deadline());
  tasks.expire_due(second->deadline());
  EXPECT_EQ(second->state(), TaskState::expired);
  EXPECT_EQ(tasks.next_deadline(), BootClock::time_point::max());
}

TEST(TaskTable, TellsOfTokensThatComeAndGo) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto seen = tasks.last_event();
  const auto task = tasks.open({"a", {}});
  const auto came = tasks.event_after(seen);
  ASSERT_TRUE(came);
  EXPECT_EQ(came->slot, task->slot());
  EXPECT_FALSE(tasks.event_after(came->number));
  tasks.end(task->slot(), TaskState::closed);
  EXPECT_TRUE(tasks.event_after(came->number));
}

TEST(TaskTable, AWaiterHearsOfADeadlineThatNobodyElseMeets) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto task = tasks.open({"a", 1s});
  const auto event = tasks.wait_for_event(tasks.last_event());
  ASSERT_TRUE(event);
  EXPECT_EQ(event->slot, task->slot());
  EXPECT_EQ(task->state(), TaskState::expired);
}

TEST(TaskTable, LimitsOpenTasks) {
  test::FakeDevice device;
  TaskLimits limits;
  limits.max_tasks = 2;
  TaskTable tasks(device, limits, nullptr);
  EXPECT_EQ(open(tasks, "a"), CKR_OK);
  EXPECT_EQ(open(tasks, "b"), CKR_OK);
  EXPECT_EQ(open(tasks, "c"), CKR_SESSION_COUNT);
  EXPECT_EQ(tasks.end_all(TaskState::closed).pending, 0U);
  EXPECT_EQ(open(tasks, "c"), CKR_OK);
}

TEST(TaskTable, ThreadsThatEndAndExpireTheSameTasksDontHang) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::shared_ptr<Task>> open_tasks;
    for (int i = 0; i < 20; ++i) open_tasks.push_back(tasks.open({std::to_string(i), 10s}));
    const auto deadline = open_tasks.back()->deadline();
    std::vector<std::jthread> threads;
    threads.emplace_back([&] { tasks.end_all(TaskState::closed); });
    threads.emplace_back([&] { tasks.expire_due(deadline); });
    threads.emplace_back([&] {
      for (const auto& task : open_tasks) tasks.end(task->slot(), TaskState::revoked);
    });
    threads.clear();
    for (const auto& task : open_tasks) EXPECT_TRUE(is_final(task->state()));
    EXPECT_TRUE(tasks.slots().empty());
  }
}

// A key that the device makes at the very moment of the end: the end is not reported before it is
// gone.
TEST(TaskTable, DestroysAKeyWhoseTaskEndsWhileItIsBeingMade) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto task = tasks.open({"t", {}});
  std::atomic<bool> made{false};
  device.state.on_generate = [&] {
    made = true;
    while (!is_final(task->state())) std::this_thread::yield();
    std::this_thread::sleep_for(20ms);  // room for an end that does not wait
  };
  CK_RV answer = CKR_OK;
  std::thread maker([&] {
    try {
      task->generate(*task->open_scope(), {CKK_EC, 256});
    } catch (const Error& error) {
      answer = error.rv();
    }
  });
  while (!made) std::this_thread::yield();
  const auto report = task->end(TaskState::closed);
  EXPECT_EQ(device.state.living, 0);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->destroyed, 1U);
  maker.join();
  EXPECT_EQ(answer, CKR_DEVICE_REMOVED);
}

// Generations of many threads, and a device that works on those it was given until the task ends.
class QueuedGenerationsTest : public testing::Test {
 protected:
  static constexpr int kThreads = 40;

  QueuedGenerationsTest() {
    device_.state.on_generate = [this] {
      while (!is_final(task_->state())) std::this_thread::yield();
    };
  }

  /// Each thread makes a key in the scope that `scope` gives it.
  void start(const std::function<std::shared_ptr<KeyScope>()>& scope) {
    for (int i = 0; i < kThreads; ++i) {
      makers_.emplace_back([this, scope = scope()] {
        try {
          task_->generate(*scope, {CKK_EC, 256});
        } catch (const Error& error) {
          if (error.rv() == CKR_DEVICE_REMOVED) ++refused_;
        }
      });
    }
  }

  /// Ends the task; a device is asked for no key that was not being made by then.
  void end() {
    const int asked = device_.state.asked;
    ASSERT_TRUE(task_->end(TaskState::closed));
    makers_.clear();
    EXPECT_EQ(device_.state.asked, asked);
    EXPECT_EQ(refused_, kThreads);
    EXPECT_EQ(device_.state.living, 0);
  }

  test::FakeDevice device_;
  TaskTable tasks_{device_, {}, nullptr};
  const std::shared_ptr<Task> task_ = tasks_.open({"t", {}});
  std::atomic<int> refused_{0};
  std::vector<std::jthread> makers_;
};

TEST_F(QueuedGenerationsTest, TheEndCallsOffWhatTheDeviceWasNotGivenYet) {
  start([this] { return task_->open_scope(); });
  while (device_.state.asked < 8) std::this_thread::yield();
  end();
  EXPECT_EQ(device_.state.asked, 8) << "a device is given a few at a time";
}

TEST_F(QueuedGenerationsTest, TheEndCallsOffWhatWaitsForAnotherKeyOfItsScope) {
  start([scope = task_->open_scope()] { return scope; });
  while (device_.state.asked < 1 || device_.state.waiting < 7) std::this_thread::yield();
  end();
  EXPECT_EQ(device_.state.asked, 1);
}

std::chrono::nanoseconds cpu_time_of_this_thread() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

TEST(TaskTable, WaitsForAnEndByAnotherThreadWithoutTakingAProcessor) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto task = tasks.open({"t", {}});
  std::atomic<bool> made{false};
  std::atomic<bool> released{false};
  device.state.on_generate = [&] {
    made = true;
    released.wait(false);
  };
  std::jthread maker([&] {
    EXPECT_THROW(task->generate(*task->open_scope(), {CKK_EC, 256}), Error);
  });
  while (!made) std::this_thread::yield();
  std::jthread first([&] { tasks.end(task->slot(), TaskState::revoked); });
  while (!is_final(task->state())) std::this_thread::yield();
  std::jthread second([&] {
    const auto before = cpu_time_of_this_thread();
    tasks.end_all(TaskState::closed);
    EXPECT_LT(cpu_time_of_this_thread() - before, 100ms);
    EXPECT_TRUE(released);
    EXPECT_TRUE(tasks.slots().empty());
  });
  std::this_thread::sleep_for(500ms);  // time that a waiter could burn
  released = true;
  released.notify_all();
}

TEST(TaskTable, MakesAllKeysOfManyThreadsWhenNothingEnds) {
  test::FakeDevice device;
  TaskTable tasks(device, {}, nullptr);
  const auto task = tasks.open({"t", {}});
  std::vector<std::jthread> makers;
  for (int i = 0; i < 32; ++i) {
    makers.emplace_back([&] {
      const auto scope = task->open_scope();
      for (int n = 0; n < 10; ++n) task->generate(*scope, {CKK_EC, 256});
    });
  }
  makers.clear();
  EXPECT_EQ(task->key_count(), 320U);
}

}  // namespace
}  // namespace mayfly
