// What a store tells those who keep a copy of it.
#include <array>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "core/object_store.h"

namespace mayfly {
namespace {

using Moments = std::vector<ChangeLog::Moment>;

std::shared_ptr<Object> labelled(const std::string& label) {
  Attributes attributes;
  attributes.set_number(CKA_CLASS, CKO_CERTIFICATE);
  attributes.set(CKA_LABEL, as_bytes(label));
  return std::make_shared<Object>(std::move(attributes));
}

Attributes label(const std::string& value) {
  Attributes changes;
  changes.set(CKA_LABEL, as_bytes(value));
  return changes;
}

/// A copy, kept as an agent keeps one.
struct Mirror {
  ChangeLog::Position told;
  unsigned starts = 0;
  std::map<ObjectStore::Number, std::string> labels;

  /// Takes one piece. @return whether there is more.
  bool ask(const ObjectStore& store, std::size_t most_bytes) {
    const ObjectStore::Changes changes = store.changes_since(told, most_bytes);
    if (changes.from_start) {
      labels.clear();
      ++starts;
    }
    for (const auto& [number, object] : changes.changed) {
      labels[number] = std::string(as_text(*object->get(CKA_LABEL)));
    }
    for (const auto number : changes.gone) labels.erase(number);
    told = changes.now;
    return changes.more;
  }

  void follow(const ObjectStore& store, std::size_t most_bytes) {
    for (int pieces = 0; ask(store, most_bytes); ++pieces) {
      ASSERT_LT(pieces, 20'000) << "there is no end";
    }
  }

  void expect_same(const ObjectStore& store) const {
    std::multiset<std::string> here;
    std::multiset<std::string> there;
    for (const auto& [number, text] : labels) here.insert(text);
    for (const auto& object : store.find({})) {
      there.insert(std::string(as_text(*object->get(CKA_LABEL))));
      EXPECT_TRUE(labels.contains(store.number_of(*object).value_or(0)));
    }
    EXPECT_EQ(here, there);
  }
};

class ObjectChangesTest : public testing::Test {
 protected:
  ObjectQuota quota_{20'000};
  ObjectStore store_{quota_};
  Moments heard_;

  void keep() {
    store_.keep_changes([this](ChangeLog::Moment now) { heard_.push_back(now); });
  }
};

TEST_F(ObjectChangesTest, TellsWhatCameChangedAndWentAndEachMoment) {
  const auto a = labelled("a");
  const auto b = labelled("b");
  store_.add(a);
  keep();
  EXPECT_EQ(heard_, Moments{1});  // what was there before
  store_.add(b);
  const auto all = store_.changes_since({}, 1'000);
  EXPECT_TRUE(all.from_start);
  EXPECT_FALSE(all.more);
  EXPECT_EQ(all.now.changed, 2U);
  EXPECT_EQ(all.now.gone, 2U);
  ASSERT_EQ(all.changed.size(), 2U);
  EXPECT_EQ(all.changed[1].object, b);
  EXPECT_EQ(all.changed[1].number, store_.number_of(*b));

  store_.update(*a, label("z"));
  const auto changed = store_.changes_since({2, 2}, 1'000);
  EXPECT_FALSE(changed.from_start);
  ASSERT_EQ(changed.changed.size(), 1U);
  EXPECT_EQ(changed.changed[0].object, a);
  const auto number = store_.number_of(*b);
  store_.remove(*b);
  const auto gone = store_.changes_since(changed.now, 1'000);
  EXPECT_TRUE(gone.changed.empty());
  EXPECT_EQ(gone.gone, std::vector{number.value()});
  EXPECT_EQ(heard_, (Moments{1, 2, 3, 4}));
  EXPECT_TRUE(store_.changes_since(gone.now, 1'000).changed.empty());
  EXPECT_FALSE(store_.number_of(*b));
}

TEST_F(ObjectChangesTest, WhoAsksWithAMomentThatNeverWasStartsOver) {
  keep();
  store_.add(labelled("a"));
  EXPECT_FALSE(store_.changes_since({1, 1}, 1'000).from_start);
  static constexpr ChangeLog::Moment kNever = ~ChangeLog::Moment{0};
  for (const ChangeLog::Position never :
       {ChangeLog::Position{2, 2}, {1, 2}, {2, 1}, {1, 0}, {0, 1}, {kNever, kNever}}) {
    const auto changes = store_.changes_since(never, 1'000);
    EXPECT_TRUE(changes.from_start);
    EXPECT_EQ(changes.changed.size(), 1U);
  }
}

TEST_F(ObjectChangesTest, WhoAsksTooLateStartsOver) {
  keep();
  Mirror late;
  Mirror in_time;
  store_.add(labelled("stays"));
  late.follow(store_, 1'000);
  for (std::size_t i = 0; i <= ChangeLog::kRemembered; ++i) {
    const auto object = labelled("goes");
    store_.add(object);
    if (i == 0) late.follow(store_, 1'000);
    if (i == 1) in_time.follow(store_, 1'000);
    store_.remove(*object);
  }
  late.follow(store_, 1'000);
  in_time.follow(store_, 1'000);
  EXPECT_EQ(late.starts, 2U);
  EXPECT_EQ(in_time.starts, 1U);
  late.expect_same(store_);
  in_time.expect_same(store_);
}

// What went long before a list began is no reason to begin it again at each piece.
TEST_F(ObjectChangesTest, AListOfOldObjectsComesToItsEndWhateverWent) {
  keep();
  for (int i = 0; i < 2'000; ++i) store_.add(labelled("stays " + std::to_string(i)));
  const auto come_and_go = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto object = labelled("goes");
      store_.add(object);
      store_.remove(*object);
    }
  };
  come_and_go(ChangeLog::kRemembered + 1'000);
  Mirror mirror;
  ASSERT_NO_FATAL_FAILURE(mirror.follow(store_, 1'000));
  EXPECT_EQ(mirror.starts, 1U);
  mirror.expect_same(store_);

  // What goes in the middle of a list is told, be it among what was told by then or not.
  Mirror second;
  EXPECT_TRUE(second.ask(store_, 1'000));
  const auto all = store_.find({});
  store_.remove(*all.front());
  store_.remove(*all.back());
  come_and_go(ChangeLog::kRemembered - 2);
  ASSERT_NO_FATAL_FAILURE(second.follow(store_, 1'000));
  EXPECT_EQ(second.starts, 1U);
  second.expect_same(store_);
  // It begins again only where more went between two pieces than is remembered.
  Mirror third;
  EXPECT_TRUE(third.ask(store_, 1'000));
  store_.remove(*all[1]);
  come_and_go(ChangeLog::kRemembered);
  ASSERT_NO_FATAL_FAILURE(third.follow(store_, 1'000));
  EXPECT_EQ(third.starts, 2U);
  third.expect_same(store_);
}

TEST_F(ObjectChangesTest, CopiesThatFollowNowAndThenAreTrue) {
  keep();
  std::mt19937 random(4711);
  std::vector<std::shared_ptr<Object>> living;
  std::array<Mirror, 3> mirrors;
  for (int step = 0; step < 20'000; ++step) {
    const auto dice = random() % 100;
    if (living.empty() || dice < 40) {
      living.push_back(labelled("new " + std::to_string(step)));
      store_.add(living.back());
    } else if (dice < 60) {
      store_.update(*living[random() % living.size()], label("changed " + std::to_string(step)));
    } else if (dice < 98) {
      std::swap(living[random() % living.size()], living.back());
      store_.remove(*living.back());
      living.pop_back();
    } else {
      const Object* const doomed = living[random() % living.size()].get();
      std::erase_if(living, [&](const auto& object) { return object.get() == doomed; });
      store_.take_if([&](const Object& object) { return &object == doomed; });
    }
    for (std::size_t i = 0; i < mirrors.size(); ++i) {
      if (random() % (i * 200 + 1) != 0) continue;
      mirrors[i].follow(store_, i * 50);
      ASSERT_NO_FATAL_FAILURE(mirrors[i].expect_same(store_));
    }
  }
  EXPECT_EQ(mirrors[0].starts, 1U);
}

TEST_F(ObjectChangesTest, AFailedAdditionIsNoMoment) {
  keep();
  ObjectQuota none(0);
  ObjectStore full(none);
  full.keep_changes([this](ChangeLog::Moment now) { heard_.push_back(now); });
  EXPECT_THROW(full.add(labelled("a")), Error);
  EXPECT_TRUE(heard_.empty());
}

TEST_F(ObjectChangesTest, ObjectsOfAKindComeInPiecesOfABoundedSize) {
  keep();
  for (int i = 0; i < 100; ++i) store_.add(labelled(std::string(100, 'x')));
  const auto piece = store_.changes_since({}, 1'000);
  EXPECT_TRUE(piece.more);
  EXPECT_EQ(piece.changed.size(), 10U);  // each has its class as well
}

}  // namespace
}  // namespace mayfly
