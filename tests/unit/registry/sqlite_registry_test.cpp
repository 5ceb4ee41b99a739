#include "registry/sqlite/sqlite_registry.h"

#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "base/error.h"
#include "registry/sqlite/connection.h"
#include "support/temp_folder.h"

namespace mayfly {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

StoredKeyRecord record(std::uint8_t number, const std::string& device = "device") {
  return {Bytes(32, number), "label " + std::to_string(number), device, "task", ""};
}

class SqliteRegistryTest : public testing::Test {
 protected:
  [[nodiscard]] fs::path file() const { return folder_.path() / "registry.db"; }
  std::unique_ptr<Registry> open() const { return open_sqlite_registry(file()); }

  [[nodiscard]] sqlite::Connection connect() const {
    return {file(), sqlite::Connection::Clock::now() + std::chrono::seconds(10)};
  }

  /// What opening complains about; empty when it does not.
  [[nodiscard]] std::string complaint() const {
    try {
      open();
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return {};
  }

  test::TempFolder folder_;
};

TEST_F(SqliteRegistryTest, KeepsRecordsFromOneOpeningToTheNext) {
  open()->add_stored_key(record(1));
  const auto registry = open();
  EXPECT_THAT(registry->stored_keys("device"), ElementsAre(record(1)));
  registry->add_stored_key(record(2));
  registry->add_stored_key(record(3, "other"));
  EXPECT_THAT(registry->stored_keys("device"), ElementsAre(record(1), record(2)));
  registry->remove_stored_key(record(1).id);
  registry->remove_stored_key(record(1).id);
  EXPECT_THAT(open()->stored_keys("device"), ElementsAre(record(2)));
  EXPECT_THAT(open()->stored_keys("other"), ElementsAre(record(3, "other")));
}

TEST_F(SqliteRegistryTest, RemembersWhatWasGivenUp) {
  const auto registry = open();
  registry->add_stored_key(record(1));
  registry->give_up_stored_key(record(1).id);
  registry->give_up_stored_key(record(2).id);
  StoredKeyRecord expected = record(1);
  expected.given_up = true;
  EXPECT_THAT(open()->stored_keys("device"), ElementsAre(expected));
}

TEST_F(SqliteRegistryTest, LeavesAnotherProgramsDatabaseAlone) {
  std::ofstream(file()).close();
  fs::permissions(file(), fs::perms::owner_read | fs::perms::owner_write);
  connect().run("CREATE TABLE precious(x)");
  EXPECT_THAT(complaint(), HasSubstr("another program's"));
  const SqlRows tables = connect().run("SELECT name FROM sqlite_master");
  ASSERT_EQ(tables.size(), 1U);
  EXPECT_EQ(tables[0].text(0), "precious");
  EXPECT_EQ(connect().run("PRAGMA journal_mode").at(0).text(0), "delete");
}

TEST_F(SqliteRegistryTest, IsFoundBehindALinkedFolder) {
  fs::create_directory(folder_.path() / "real");
  fs::create_directory_symlink(folder_.path() / "real", folder_.path() / "link");
  open_sqlite_registry(folder_.path() / "link" / "registry.db")->add_stored_key(record(1));
  EXPECT_TRUE(fs::exists(folder_.path() / "real" / "registry.db"));
}

TEST_F(SqliteRegistryTest, KeepsAWriteAheadLogFromTheFirstWatchOn) {
  const auto registry = open();
  EXPECT_EQ(connect().run("PRAGMA journal_mode").at(0).text(0), "delete");
  EXPECT_TRUE(registry->watch()->changed());

  EXPECT_EQ(connect().run("PRAGMA journal_mode").at(0).text(0), "wal");
}

TEST_F(SqliteRegistryTest, RefusesTheSameKeyTwice) {
  const auto registry = open();
  registry->add_stored_key(record(1));
  EXPECT_THROW(registry->add_stored_key(record(1)), Error);
  EXPECT_THAT(registry->stored_keys("device"), ElementsAre(record(1)));
}

TEST_F(SqliteRegistryTest, KnowsItsHostAndNoOtherRegistryDoes) {
  const std::string host = open()->host();
  EXPECT_EQ(host.size(), 12U);
  EXPECT_EQ(open()->host(), host);
  const test::TempFolder elsewhere;
  EXPECT_NE(open_sqlite_registry(elsewhere.path() / "registry.db")->host(), host);
}

TEST_F(SqliteRegistryTest, IsForItsUserOnly) {
  open();
  struct stat status {};
  ASSERT_EQ(stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(SqliteRegistryTest, IsRefusedWhereOthersCanWrite) {
  open();
  fs::permissions(file(), fs::perms::group_write, fs::perm_options::add);
  EXPECT_THAT(complaint(), HasSubstr("can be written by others"));
  fs::permissions(file(), fs::perms::group_write, fs::perm_options::remove);
  fs::permissions(folder_.path(), fs::perms::others_write, fs::perm_options::add);
  EXPECT_THAT(complaint(), HasSubstr("can be written by others"));
  fs::permissions(folder_.path(), fs::perms::others_write, fs::perm_options::remove);
  EXPECT_EQ(complaint(), "");
}

TEST_F(SqliteRegistryTest, IsRefusedBehindALink) {
  std::ofstream(folder_.path() / "real");
  fs::create_symlink(folder_.path() / "real", file());
  EXPECT_THAT(complaint(), HasSubstr("wrong kind"));
}

TEST_F(SqliteRegistryTest, SaysThatTheFileIsNone) {
  std::ofstream(file()) << "something that is no database at all, and longer than a header is "
                           "which takes a hundred bytes in SQLite";
  fs::permissions(file(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_THAT(complaint(), HasSubstr("not a database"));
}

TEST_F(SqliteRegistryTest, SaysThatAnotherMayflyWroteIt) {
  open();
  connect().run("PRAGMA user_version = 99");
  EXPECT_THAT(complaint(), HasSubstr("newer mayfly"));
}

TEST_F(SqliteRegistryTest, SaysThatTheFolderIsMissing) {
  try {
    static_cast<void>(open_sqlite_registry(folder_.path() / "nowhere" / "registry.db"));
    FAIL() << "a registry was made in a folder that is missing";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("nowhere"));
  }
}

TEST_F(SqliteRegistryTest, WhatWasNotCommittedIsNotThere) {
  const auto registry = open();
  {
    sqlite::Connection connection = connect();
    connection.run("BEGIN IMMEDIATE");
    connection.run("DELETE FROM stored_key");
    connection.run("INSERT INTO stored_key VALUES (x'00', 'l', 'device', 't', 0, 0, '')");
  }
  EXPECT_THAT(registry->stored_keys("device"), IsEmpty());
}

TEST_F(SqliteRegistryTest, LosesNothingToManyThreadsAndProcesses) {
  constexpr std::uint8_t kEach = 10;
  const auto registry = open();
  const auto write = [&](std::uint8_t writer) {
    for (std::uint8_t i = 0; i < kEach; ++i) {
      registry->add_stored_key(record(static_cast<std::uint8_t>(writer * kEach + i)));
    }
  };
  std::vector<pid_t> children;
  for (std::uint8_t writer = 0; writer < 3; ++writer) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    write(writer);
    _exit(0);
  }
  {
    std::vector<std::jthread> threads;
    for (std::uint8_t writer = 3; writer < 6; ++writer) threads.emplace_back(write, writer);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(registry->stored_keys("device").size(), 6U * kEach);
}

}  // namespace
}  // namespace mayfly
