// Registries of earlier versions of mayfly.
#include <sys/stat.h>

#include "fault/registry_writes.h"
#include "integration/registry/registry_test.h"

namespace mayfly::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// What the first version wrote, to the letter.
constexpr const char* kFirstVersion[] = {
    "CREATE TABLE registry(uuid BLOB NOT NULL)",
    "CREATE TABLE stored_key(\n"
    "    id BLOB NOT NULL PRIMARY KEY,\n"
    "    label TEXT NOT NULL,\n"
    "    device TEXT NOT NULL,\n"
    "    task_id TEXT NOT NULL,\n"
    "    recorded INTEGER NOT NULL,\n"
    "    given_up INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX stored_key_of_device ON stored_key(device)",
    "PRAGMA application_id = 1835104614",
    "PRAGMA user_version = 1",
    "INSERT INTO registry(uuid) VALUES (x'000102030405060708090a0b0c0d0e0f')",
    "INSERT INTO stored_key(id, label, device, task_id, recorded) VALUES (x'01', 'l', 'd', 't', 5)",
};

class FirstVersion : public testing::Test {
 protected:
  FirstVersion() {
    std::ofstream(place_.file()).close();
    chmod(place_.file().c_str(), 0600);
    for (const char* statement : kFirstVersion) place_.run(statement);
  }

  RegistryPlace place_{Backend::sqlite};
};

TEST_F(FirstVersion, IsBroughtUpToDateAndKeepsWhatItHad) {
  const auto registry = place_.open();
  EXPECT_EQ(place_.run("PRAGMA user_version").at(0).number(0), 3);
  EXPECT_THAT(registry->stored_keys("d"), ElementsAre(StoredKeyRecord{{1}, "l", "d", "t"}));
  const BrokerRecord self = make_broker(*registry);
  registry->register_broker(self, kLongLease);
  registry->open_task(make_task(1, self), make_grant("jti"), "tester");
  EXPECT_EQ(place_.open()->host(), registry->host());
  EXPECT_EQ(place_.open()->stored_keys("d").size(), 1U);
}

/// One that is running while the file is brought up to date.
TEST_F(FirstVersion, CanStillBeWrittenByThoseOfIt) {
  const auto registry = place_.open();
  place_.run(
      "INSERT INTO stored_key(id, label, device, task_id, recorded) VALUES (x'02', 'l', 'd', 't', "
      "6)");
  EXPECT_EQ(registry->stored_keys("d").size(), 2U);
}

TEST_F(FirstVersion, IsChangedAsAWholeOrNotAtAll) {
  unsigned at = 1;
  for (;; ++at) {
    watch_registry_writes({at, false, ENOSPC});
    const CK_RV fault = fault_of([&] { static_cast<void>(place_.open()); });
    watch_registry_writes({});
    if (fault == CKR_OK) break;
    const std::int64_t version = place_.run("PRAGMA user_version").at(0).number(0);
    const auto tables = place_.run("SELECT count(*) FROM sqlite_master WHERE name = 'broker'");
    EXPECT_EQ(tables.at(0).number(0), version == 1 ? 0 : 1);
    EXPECT_EQ(place_.run("SELECT * FROM stored_key").size(), 1U);
  }
  EXPECT_GT(at, 2U);
  EXPECT_EQ(place_.run("PRAGMA user_version").at(0).number(0), 3);
}

class SecondVersion : public testing::TestWithParam<Backend> {
 protected:
  /// What the second version wrote: it knew of no ledgers.
  SecondVersion() {
    const auto registry = place_.open();
    const BrokerRecord self = make_broker(*registry);
    registry->register_broker(self, kLongLease);
    registry->open_task(make_task(1, self), std::nullopt, "tester");
    if (GetParam() == Backend::postgres) {
      place_.run("ALTER TABLE mayfly.task DROP COLUMN ledger_key");
      place_.run("UPDATE mayfly.schema_version SET version = 2");
    } else {
      place_.run("ALTER TABLE task DROP COLUMN ledger_key");
      place_.run("PRAGMA user_version = 2");
    }
  }

  RegistryPlace place_{GetParam()};
};

TEST_P(SecondVersion, IsBroughtUpToDateAndLearnsTheKeysOfLedgers) {
  const auto registry = place_.open();
  TaskFilter filter;
  ASSERT_EQ(registry->tasks(filter).size(), 1U);
  EXPECT_TRUE(registry->tasks(filter)[0].ledger_key.empty());
  registry->move_task({digits(1), TaskState::active, "cause", "tester", Bytes(91, 1)});
  EXPECT_EQ(place_.open()->tasks(filter).at(0).ledger_key, Bytes(91, 1));
}

MAYFLY_ON_EVERY_DATABASE(SecondVersion);

TEST(NewerVersion, IsRefusedOnPostgres) {
  const RegistryPlace place(Backend::postgres);
  static_cast<void>(place.open());
  place.run("UPDATE mayfly.schema_version SET version = 99");
  try {
    static_cast<void>(place.open());
    FAIL() << "a newer registry was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), CKR_GENERAL_ERROR);
    EXPECT_THAT(error.what(), HasSubstr("newer mayfly"));
  }
}

}  // namespace
}  // namespace mayfly::test
