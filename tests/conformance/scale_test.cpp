// Many tasks, many keys: nothing leaks, and nothing gets slow.
#include <algorithm>
#include <chrono>
#include <functional>
#include <malloc.h>

#include <gtest/gtest.h>

#include "conformance/fixture.h"
#include "conformance/process.h"
#include "support/raw_module.h"

namespace mayfly::test {
namespace {

constexpr int kShrink = kSanitized ? 20 : 1;
constexpr int kManyTasks = 10'000 / kShrink;
constexpr int kTasksAtOnce = 1'000 / kShrink;
constexpr int kManyKeys = 10'000 / kShrink;

/// What must not grow.
struct Footprint {
  std::size_t descriptors;
  std::size_t device_sessions;
  std::size_t heap;  ///< bytes in use

  static Footprint now() {
    return {open_descriptors(), device_token().count_sessions(), mallinfo2().uordblks};
  }
};

class ScaleTest : public ConformanceTest {
 protected:
  // A line in the log for each task would be most of the work.
  ScaleTest()
      : ConformanceTest({.max_tasks = 20'000,
                         .max_sessions = 20'000,
                         .max_objects = 50'000,
                         .log_level = "warn"}) {}

  /// Opens a task, makes `keys` key pairs in it, signs with each, and ends it.
  void live(const std::string& id, int keys) {
    const CK_SLOT_ID slot = open_task(id);
    if (keys > 0) {
      const CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION, slot);
      for (int i = 0; i < keys; ++i) {
        const KeyPair pair = generate(session, kP256, {}, {{CKA_TOKEN, i % 2 == 0}});
        ASSERT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256));
      }
    }
    ASSERT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(slot));
  }

  /// Heap that SoftHSM2 keeps for good for each key pair that came and went in a session of its
  /// own: measured on the same device in the same process, without mayfly in between.
  [[nodiscard]] static double heap_kept_by_device(int pairs) {
    const RawModule module(SoftHsmToken::module_path());
    const CK_SLOT_ID slot = module.slot_of(device_token().label());
    const auto make_one = [&] {
      const RawSession session(module, slot);
      CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
      Template public_template = kP256.public_template();
      public_template.add({CKA_TOKEN, false});
      Template private_template({{CKA_TOKEN, false},
                                 {CKA_PRIVATE, true},
                                 {CKA_SIGN, true},
                                 {CKA_SENSITIVE, true},
                                 {CKA_EXTRACTABLE, false}});
      CK_OBJECT_HANDLE made[2];
      expect_ok(module->C_GenerateKeyPair(session.handle(), &mechanism, public_template.data(),
                                          public_template.size(), private_template.data(),
                                          private_template.size(), &made[0], &made[1]),
                "C_GenerateKeyPair");
    };
    for (int i = 0; i < 50; ++i) make_one();
    const std::size_t before = mallinfo2().uordblks;
    for (int i = 0; i < pairs; ++i) make_one();
    const auto after = static_cast<double>(mallinfo2().uordblks);
    return std::max(0.0, (after - static_cast<double>(before)) / pairs);
  }

  static void expect_no_growth(const Footprint& before, double heap_allowed) {
    const Footprint after = Footprint::now();
    EXPECT_EQ(after.descriptors, before.descriptors);
    EXPECT_EQ(after.device_sessions, before.device_sessions);
    if (kSanitized) return;  // its allocator counts otherwise
    const double grown = static_cast<double>(after.heap) - static_cast<double>(before.heap);
    RecordProperty("heap_growth_bytes", static_cast<int>(grown));
    EXPECT_LE(grown, heap_allowed) << "allowed are " << heap_allowed << " bytes";
  }

  /// The middle of many measured times of one call, in nanoseconds.
  static double median_time(const std::function<void()>& call) {
    std::vector<double> times;
    for (int i = 0; i < 201; ++i) {
      const auto start = std::chrono::steady_clock::now();
      call();
      times.push_back(
          std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start)
              .count());
    }
    std::nth_element(times.begin(), times.begin() + 100, times.end());
    return times[100];
  }
};

TEST_F(ScaleTest, TenThousandTasksLeaveNothing) {
  for (int i = 0; i < 2000; ++i) live("warm up " + std::to_string(i), 0);
  const Footprint before = Footprint::now();
  for (int i = 0; i < kManyTasks; ++i) live("task " + std::to_string(i), 0);
  expect_no_growth(before, 200'000);
  EXPECT_EQ(slots().size(), 1U);
}

TEST_F(ScaleTest, TenThousandTasksWithAKeyLeaveNothing) {
  const double kept = heap_kept_by_device(500);
  RecordProperty("heap_kept_by_device_per_pair", static_cast<int>(kept));
  for (int i = 0; i < 1100 / kShrink; ++i) live("warm up " + std::to_string(i), 1);
  const Footprint before = Footprint::now();
  for (int i = 0; i < kManyTasks; ++i) live("task " + std::to_string(i), 1);
  // A tenth more than the device itself, and what a growing table may have doubled to.
  expect_no_growth(before, 1.1 * kept * kManyTasks + 300'000);
  EXPECT_EQ(device_keys(), 0U);
}

TEST_F(ScaleTest, AThousandTasksAtOnceEachHaveAKey) {
  struct Open {
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session;
    KeyPair pair;
  };
  const auto live_together = [&] {
    std::vector<Open> all;
    for (int i = 0; i < kTasksAtOnce; ++i) {
      const CK_SLOT_ID slot = open_task("task " + std::to_string(i));
      const CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION, slot);
      all.push_back({slot, session, generate(session, kP256)});
    }
    EXPECT_EQ(slots().size(), all.size() + 1);
    EXPECT_EQ(device_keys(), 2 * all.size());
    for (const Open& open : all) {
      ASSERT_RV(CKR_OK, sign_answer(open.session, open.pair.private_key, kP256));
      ASSERT_EQ(find(open.session, {{CKA_CLASS, CKO_PRIVATE_KEY}}),
                std::vector{open.pair.private_key});
    }
    for (const Open& open : all) ASSERT_RV(CKR_OK, vendor_->MAYFLY_CloseTask(open.slot));
    EXPECT_EQ(device_keys(), 0U);
  };
  const double kept = heap_kept_by_device(500);
  live_together();  // tables grow to their size
  const Footprint before = Footprint::now();
  live_together();
  expect_no_growth(before, 1.1 * kept * kTasksAtOnce + 300'000);
}

TEST_F(ScaleTest, ManySessionsLeaveNothing) {
  const auto open_and_close = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const CK_SESSION_HANDLE session = open_session(i % 2 == 0 ? CKF_RW_SESSION : 0);
      ASSERT_RV(CKR_OK, p11_->C_CloseSession(session));
    }
  };
  open_and_close(100);
  const Footprint before = Footprint::now();
  open_and_close(100'000 / kShrink);
  expect_no_growth(before, 100'000);
}

// One task, ten keys and then ten thousand: a search by name and a look at an object take as long.
TEST_F(ScaleTest, FindingAKeyTakesAsLongAmongTenThousand) {
  const CK_SESSION_HANDLE session = open_session();
  CK_OBJECT_HANDLE wanted = CK_INVALID_HANDLE;
  const auto make = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      const std::string label = "key " + std::to_string(i);
      const Template names({{CKA_LABEL, label.c_str()}, {CKA_ID, number_bytes(CK_ULONG(i))}});
      const KeyPair pair = generate(session, kP256, names, names);
      if (i == 5) wanted = pair.private_key;
    }
  };
  struct Times {
    double by_label, by_id, attribute;
  };
  const auto measure = [&]() -> Times {
    const Template label({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_LABEL, "key 5"}});
    const Template id({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_ID, number_bytes(5)}});
    return {median_time([&] { ASSERT_EQ(find(session, label), std::vector{wanted}); }),
            median_time([&] { ASSERT_EQ(find(session, id), std::vector{wanted}); }),
            median_time([&] { ASSERT_RV(CKR_OK, get_answer(session, wanted, CKA_LABEL)); })};
  };
  make(0, 10);
  const Times few = measure();
  make(10, kManyKeys);
  const Times many = measure();
  RecordProperty("find_by_label_ns_among_10", static_cast<int>(few.by_label));
  RecordProperty("find_by_label_ns_among_10000", static_cast<int>(many.by_label));
  EXPECT_LT(many.by_label, 5 * few.by_label);
  EXPECT_LT(many.by_id, 5 * few.by_id);
  EXPECT_LT(many.attribute, 5 * few.attribute);
}

// Other tasks' keys make no difference.
TEST_F(ScaleTest, FindingAKeyTakesAsLongBesideTenThousandOfOthers) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair mine = generate(session, kP256, {}, {{CKA_LABEL, "mine"}});
  const Template label({{CKA_LABEL, "mine"}});
  const auto measure = [&] {
    return median_time([&] { ASSERT_EQ(find(session, label), std::vector{mine.private_key}); });
  };
  const double alone = measure();
  for (int task = 0; task < 100; ++task) {
    const CK_SESSION_HANDLE other =
        open_session(CKF_RW_SESSION, open_task("task " + std::to_string(task)));
    for (int i = 0; i < kManyKeys / 100; ++i) {
      generate(other, kP256, {{CKA_LABEL, "mine"}}, {{CKA_LABEL, "mine"}});
    }
  }
  EXPECT_EQ(device_keys(), 2U + 2U * (kManyKeys / 100) * 100);
  EXPECT_LT(measure(), 5 * alone);
}

}  // namespace
}  // namespace mayfly::test
