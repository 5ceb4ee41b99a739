#include "ledger/chain_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "ledger/canonical_json.h"
#include "support/failure_of.h"
#include "support/sample_chain.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

using ledger::Event;
using ledger::take_abandoned;

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

/// A chain whose owner can't be told, and whose deadline is over.
std::string left_behind() {
  nlohmann::json open = open_data();
  open["owner"] = "nobody";
  open["deadline"] = 1;
  return ChainText().add(Event::open, open).text();
}

TEST(ChainFolder, TellsOfAnAbandonedChainOnce) {
  const TempFolder folder;
  const auto chain = folder.write("0123456789abcdef.jsonl", left_behind());
  const auto found = take_abandoned(folder.path());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].path, chain);
  EXPECT_EQ(found[0].task.id, sample_task().id);
  EXPECT_EQ(mode_of(chain), 0400U);
  EXPECT_TRUE(take_abandoned(folder.path()).empty());
}

TEST(ChainFolder, FollowsNoLinkAndWaitsAtNoPipe) {
  const TempFolder elsewhere;
  const TempFolder folder;
  const auto target = elsewhere.write("target", left_behind());
  std::filesystem::create_symlink(target, folder.path() / "link.jsonl");
  ASSERT_EQ(mkfifo((folder.path() / "pipe.jsonl").c_str(), 0600), 0);
  EXPECT_TRUE(take_abandoned(folder.path()).empty());
  EXPECT_EQ(mode_of(target), 0600U);
}

TEST(ChainFolder, TouchesNothingWhereOthersMayPutFiles) {
  const TempFolder folder;
  const auto chain = folder.write("0123456789abcdef.jsonl", left_behind());
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0777));
  EXPECT_EQ(answer_of([&] { static_cast<void>(take_abandoned(folder.path())); }),
            CKR_FUNCTION_FAILED);
  EXPECT_EQ(mode_of(chain), 0600U);
}

}  // namespace
}  // namespace mayfly::test
