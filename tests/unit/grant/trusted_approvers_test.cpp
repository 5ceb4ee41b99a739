// The file of approvers is read again when it has changed, and nobody is trusted while it is bad.
#include "grant/trusted_approvers.h"

#include <fcntl.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "support/temp_folder.h"
#include "support/test_approver.h"
#include "unit/grant/sample.h"

namespace mayfly::test {
namespace {

using grant::TrustedApprovers;

class TrustedApproversTest : public testing::Test {
 protected:
  /// The kid of each who is trusted, or why nobody is.
  std::string trusted() {
    std::string names;
    const std::string outcome = outcome_of([&] {
      const grant::TrustedApprovers::List list = approvers_.current();
      for (const grant::Approver& approver : *list) names += approver.key_id + " ";
      return 0;
    });
    return outcome == "accepted" ? names : outcome;
  }

  void write(const std::string& content, mode_t mode = 0644) {
    folder_.write("approvers.json", content, mode);
  }

  /// Makes the file look as old as one that nobody has touched for a while.
  void age() const {
    const timespec times[2] = {{1'000'000, 0}, {1'000'000, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, file_.c_str(), times, 0), 0);
  }

  TempFolder folder_;
  std::string file_ = folder_.path() / "approvers.json";
  TrustedApprovers approvers_{file_};
  TestApprover a_{grant::Algorithm::eddsa, "a"};
  TestApprover b_{grant::Algorithm::eddsa, "b"};  // as long as the other
};

TEST_F(TrustedApproversTest, AChangeInPlaceIsSeenAtOnceThoughTimeAndSizeStayTheSame) {
  ASSERT_EQ(jwk_set({a_.jwk()}).size(), jwk_set({b_.jwk()}).size());
  write(jwk_set({a_.jwk()}));
  age();
  EXPECT_EQ(trusted(), "a ");
  write(jwk_set({b_.jwk()}));
  age();
  EXPECT_EQ(trusted(), "b ");
}

TEST_F(TrustedApproversTest, EachOfManyChangesIsSeen) {
  for (int i = 0; i < 200; ++i) {
    const TestApprover& next = i % 2 == 0 ? a_ : b_;
    write(jwk_set({next.jwk()}));
    ASSERT_EQ(trusted(), i % 2 == 0 ? "a " : "b ") << i;
  }
}

TEST_F(TrustedApproversTest, AFileThatIsMovedInIsSeen) {
  write(jwk_set({a_.jwk()}));
  EXPECT_EQ(trusted(), "a ");
  folder_.write("next", jwk_set({a_.jwk(), b_.jwk()}), 0644);
  std::filesystem::rename(folder_.path() / "next", file_);
  EXPECT_EQ(trusted(), "a b ");
}

TEST_F(TrustedApproversTest, WhoeverIsTakenOutIsNotTrustedAnyMore) {
  write(jwk_set({a_.jwk(), b_.jwk()}));
  const std::string token = b_.token(sample_claims().dump());
  const auto outcome = [&] {
    return outcome_of(
        [&] { return grant::verify(token, *approvers_.current(), sample_expectations()); });
  };
  EXPECT_EQ(outcome(), "accepted");
  write(jwk_set({a_.jwk()}));
  EXPECT_EQ(outcome(), "bad-signature");
}

TEST_F(TrustedApproversTest, NobodyIsTrustedWhileTheFileIsBad) {
  const std::string good = jwk_set({a_.jwk()});
  EXPECT_EQ(trusted(), "no-approvers") << "before there is one";
  for (const std::string& bad :
       {std::string(), good.substr(0, good.size() - 1), jwk_set({a_.jwk(), "{}"}),
        std::string(grant::kMaxApproversSize + 1, ' ')}) {
    write(good);
    ASSERT_EQ(trusted(), "a ");
    write(bad);
    EXPECT_EQ(trusted(), "no-approvers") << bad.substr(0, 100);
  }
  write(good);
  EXPECT_EQ(trusted(), "a ") << "and again when it is good";
  std::filesystem::remove(file_);
  EXPECT_EQ(trusted(), "no-approvers") << "gone";
  std::filesystem::create_directory(file_);
  EXPECT_EQ(trusted(), "no-approvers") << "a folder";
}

TEST_F(TrustedApproversTest, AFileThatOthersMayWriteIsBadAlsoIfOnlyThatHasChanged) {
  write(jwk_set({a_.jwk()}));
  age();
  ASSERT_EQ(trusted(), "a ");
  for (const mode_t mode : {0666, 0664, 0646}) {
    ASSERT_EQ(chmod(file_.c_str(), mode), 0);
    EXPECT_EQ(trusted(), "no-approvers") << mode;
    ASSERT_EQ(chmod(file_.c_str(), 0644), 0);
    EXPECT_EQ(trusted(), "a ");
  }
  if (geteuid() != 0) return;  // only root can give a file away
  ASSERT_EQ(chown(file_.c_str(), 65'534, 0), 0);
  EXPECT_EQ(trusted(), "no-approvers");
}

TEST_F(TrustedApproversTest, OfAFileThatHasSettledEachChangeShowsInItsTimes) {
  // As if every file had: then nothing but the stamp says that there was a change.
  TrustedApprovers settled(file_, std::chrono::hours(-1));
  const auto names = [&] {
    std::string all;
    const TrustedApprovers::List list = settled.current();
    for (const grant::Approver& approver : *list) all += approver.key_id + " ";
    return all;
  };
  const auto changed = [&] {
    struct stat status {};
    EXPECT_EQ(stat(file_.c_str(), &status), 0);
    return std::pair(status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
  };
  /// Makes a change in a tick of the file's clock that has seen none yet.
  const auto in_a_later_tick = [&](const auto& change) {
    const auto before = changed();
    do {
      change();
    } while (changed() == before);
  };
  write(jwk_set({a_.jwk()}));
  age();
  EXPECT_EQ(names(), "a ");
  const TrustedApprovers::List first = settled.current();
  EXPECT_EQ(settled.current(), first) << "not read again without need";
  in_a_later_tick([&] {
    write(jwk_set({b_.jwk()}));
    age();
  });
  EXPECT_EQ(names(), "b ") << "of the same size, inode and time of modification";
  in_a_later_tick([&] { ASSERT_EQ(chmod(file_.c_str(), 0666), 0); });
  EXPECT_EQ(outcome_of([&] { return settled.current(); }), "no-approvers");
}

TEST_F(TrustedApproversTest, AFileThatMayChangeUnseenIsReadEachTime) {
  write(jwk_set({a_.jwk()}));
  TrustedApprovers fresh(file_, std::chrono::hours(1));
  const TrustedApprovers::List first = fresh.current();
  EXPECT_NE(fresh.current(), first);
}

TEST_F(TrustedApproversTest, SaysOnceWhatIsWrongAndThatItIsGoodAgain) {
  const auto log_file = folder_.path() / "log";
  log::configure(log::Level::warn, log_file);
  write("{}");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(trusted(), "no-approvers");
  write(jwk_set({a_.jwk()}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(trusted(), "a ");
  log::configure(log::Level::warn, "");
  const std::string lines = read_file(log_file);
  EXPECT_EQ(std::ranges::count(lines, '\n'), 2) << lines;
  EXPECT_THAT(lines, testing::HasSubstr(file_ + ": is no JWK Set of approvers: JWK Set.keys is "
                                                "missing; `mayfly grant approver` writes its "
                                                "entries"));
  EXPECT_THAT(lines, testing::HasSubstr("is good again"));
}

TEST_F(TrustedApproversTest, ThreadsSeeOneOfTheTwoAndNothingBetween) {
  const std::string sets[] = {jwk_set({a_.jwk()}), jwk_set({a_.jwk(), b_.jwk()})};
  write(sets[0]);
  std::atomic<bool> done{false};
  std::atomic<int> odd{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done.load()) {
        const std::string names = trusted();
        if (names != "a " && names != "a b ") ++odd;
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    folder_.write("next", sets[i % 2], 0644);
    std::filesystem::rename(folder_.path() / "next", file_);
    EXPECT_EQ(trusted(), i % 2 == 0 ? "a " : "a b ");
  }
  done.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(odd.load(), 0);
}

}  // namespace
}  // namespace mayfly::test
