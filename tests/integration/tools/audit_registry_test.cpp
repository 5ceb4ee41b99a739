// `mayfly audit verify` beside a registry.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/process_identity.h"
#include "integration/tools/audit_fixture.h"
#include "ledger/chain_log.h"
#include "registry/sqlite/connection.h"
#include "ledger/chain_log.h"
#include "registry/sqlite/sqlite_registry.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

class AuditRegistry : public AuditFixture {
 protected:
  AuditRegistry() {
    fs::create_directory(folder());
    fs::permissions(folder(), fs::perms::owner_all);
    fs::create_directory(sandbox_.user_folder());
    fs::permissions(sandbox_.user_folder(), fs::perms::owner_all);
    write(sandbox_.user_folder() / "mayfly.toml",
          "device.type = \"tpm\"\n[ledger]\nfolder = \"" + folder().string() +
              "\"\n[registry]\nfile = \"" + registry_file().string() + "\"\n");
    registry_ = open_sqlite_registry(registry_file());
    broker_ = BrokerRecord{make_broker_id(), registry_->host(), ProcessIdentity::self()};
    registry_->register_broker(broker_, std::chrono::minutes(10));
  }

  [[nodiscard]] fs::path folder() const { return sandbox_.root() / "ledger"; }
  [[nodiscard]] fs::path registry_file() const { return sandbox_.root() / "registry.db"; }
  [[nodiscard]] std::string chain_file() const {
    return (folder() / (sample_task().serial + ".jsonl")).string();
  }

  static void write(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  }

  void open(const std::string& serial, const std::string& id) const {
    NewTask task;
    task.serial = serial;
    task.id = id;
    task.broker = broker_.id;
    task.deadline = unix_now_s() + 6'000;
    registry_->open_task(task, std::nullopt, "tester");
  }

  /// The sample chain's task, as a broker tells the registry of it.
  void record(TaskState state, const Bytes& ledger_key) const {
    open(sample_task().serial, sample_task().id);
    registry_->move_task(
        {sample_task().serial, TaskState::active, "its first key", "tester", ledger_key});
    if (state != TaskState::active) {
      registry_->move_task({sample_task().serial, state, "the end", "tester", ledger_key});
    }
  }

  [[nodiscard]] Bytes ledger_key() const {
    return keys_.ledger.public_key().subject_public_key_info();
  }

  /// What somebody who can write the folder writes: the sample chain was closed and is purged.
  void forge_purge(std::uint64_t time_ms) const {
    ledger::ClosedChain record;
    record.task = sample_task();
    record.head = {7, Bytes(32, 7)};
    record.time_ms = 1'000;
    ledger::ClosedChain purged = record;
    purged.event = ledger::ClosedChain::Event::purged;
    purged.time_ms = time_ms;
    ledger::ChainLogFile(folder()).add({record, purged});
  }

  [[nodiscard]] Outcome verify(Words arguments = {}) const {
    arguments.insert(arguments.begin(), "verify");
    return audit(std::move(arguments));
  }

  /// What is said of the only chain.
  [[nodiscard]] Json opinion(const Words& more = {}) const {
    Words words = {"--json"};
    words.insert(words.end(), more.begin(), more.end());
    return Json::parse(verify(words).out).at("chains").at(0).at("registry");
  }

  std::unique_ptr<Registry> registry_;
  BrokerRecord broker_;
};

TEST_F(AuditRegistry, VouchesForTheKeyThatItKnows) {
  write(chain_file(), sealed_chain(keys_));
  record(TaskState::closed, ledger_key());
  const Outcome found = verify();
  EXPECT_EQ(found.status, kOk) << found.out << found.err;
  EXPECT_THAT(found.out, HasSubstr("knows the ledger's key as this one"));
  EXPECT_THAT(found.out, Not(HasSubstr("against nothing but itself")));
  EXPECT_THAT(verify({chain_file(), "--no-registry"}).out, HasSubstr("against nothing but itself"));
}

TEST_F(AuditRegistry, CatchesAChainThatWasRebuiltWithAnotherKey) {
  write(chain_file(), sealed_chain(ChainKeys()));
  record(TaskState::closed, ledger_key());
  const Outcome found = verify();
  EXPECT_EQ(found.status, kNotSealed);
  EXPECT_THAT(found.out, HasSubstr("verdict      sealed\n"));
  EXPECT_THAT(found.out, HasSubstr("contradicts: the registry knows another ledger key"));
  EXPECT_EQ(verify({"--no-registry"}).status, kOk) << "the chain itself fits";
}

TEST_F(AuditRegistry, CatchesAChainThatWasCutOffBeforeItsKey) {
  ChainText start;
  write(chain_file(), start.add(ledger::Event::open, open_data()).text());
  record(TaskState::active, ledger_key());
  const Outcome found = verify({"--accept-unsealed"});
  EXPECT_EQ(found.status, kNotSealed);
  EXPECT_THAT(found.out, HasSubstr("and the chain has none"));
}

TEST_F(AuditRegistry, KnowsNoTaskThatIsMadeUp) {
  write(chain_file(), sealed_chain(keys_));
  EXPECT_EQ(verify().status, kNotSealed);
  EXPECT_THAT(verify().out, HasSubstr("contradicts: the registry knows no task of this serial"));
  open(sample_task().serial, "another");
  EXPECT_EQ(verify().status, kNotSealed);
  EXPECT_THAT(verify().out, HasSubstr("another task under this serial, another"));
}

TEST_F(AuditRegistry, MustAgreeOnTheEnd) {
  write(chain_file(), sealed_chain(keys_));
  record(TaskState::active, ledger_key());
  EXPECT_THAT(opinion().at("problems").dump(), HasSubstr("and the registry calls it active"));
  registry_->move_task({sample_task().serial, TaskState::revoked, "the end", "tester"});
  EXPECT_THAT(opinion().at("problems").dump(), HasSubstr("is closed, and the registry revoked"));
  EXPECT_EQ(verify().status, kNotSealed);
}

TEST_F(AuditRegistry, SeesThatAnEndWasCutOff) {
  ChainText open;
  open.add(ledger::Event::open, open_data()).add(ledger::Event::active, active_data(keys_));
  write(chain_file(), open.text());
  record(TaskState::active, ledger_key());
  EXPECT_EQ(verify({"--accept-unsealed"}).status, kOk) << verify({"--accept-unsealed"}).out;
  registry_->move_task({sample_task().serial, TaskState::closed, "the end", "tester"});
  EXPECT_EQ(verify({"--accept-unsealed"}).status, kNotSealed);
  EXPECT_THAT(verify().out, HasSubstr("the chain has no end"));
}

/// A broker that was taken over could not say how its tasks ended.
TEST_F(AuditRegistry, IsNotBelievedWhereItLostSight) {
  write(chain_file(), sealed_chain(keys_));
  record(TaskState::lost, ledger_key());
  EXPECT_EQ(verify().status, kOk);
  EXPECT_THAT(opinion().at("problems"), IsEmpty());
  EXPECT_THAT(opinion().at("notes").dump(), HasSubstr("calls the task lost"));
}

TEST_F(AuditRegistry, MissesTheChainOfATaskThatHadOne) {
  write(chain_file(), sealed_chain(keys_));
  record(TaskState::closed, ledger_key());
  const std::string gone(16, 'a');
  open(gone, "gone");
  open(std::string(16, 'b'), "never had a key");
  registry_->move_task({gone, TaskState::active, "its first key", "tester", ledger_key()});
  const Outcome found = verify();
  EXPECT_EQ(found.status, kNotSealed);
  EXPECT_THAT(found.out, HasSubstr(gone + ".jsonl is missing\ntask         gone, serial "));
  const Json missing = Json::parse(verify({"--json"}).out).at("missing");
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_EQ(missing.at(0).at("serial"), gone);
  EXPECT_EQ(verify({chain_file()}).status, kOk) << "single files say nothing of others";
}

TEST_F(AuditRegistry, ThatIsAwayBreaksNothingUnlessItWasNamed) {
  write(chain_file(), sealed_chain(keys_));
  record(TaskState::closed, ledger_key());
  registry_.reset();
  write(registry_file(), "no database");
  const Outcome found = verify({chain_file()});
  EXPECT_EQ(found.status, kOk);
  EXPECT_THAT(found.err, HasSubstr("not compared with the registry: "));
  EXPECT_THAT(found.out, HasSubstr("against nothing but itself"));
  fs::remove(registry_file());
  EXPECT_THAT(verify({chain_file()}).err, HasSubstr("is not there"));
  EXPECT_FALSE(fs::exists(registry_file())) << "whoever reads makes none";
  const std::string config = (sandbox_.user_folder() / "mayfly.toml").string();
  EXPECT_GT(verify({chain_file(), "--config", config}).status, kNotSealed);
}

TEST_F(AuditRegistry, KnowsAChainByItsNameWhereNobodyNamesIt) {
  record(TaskState::closed, ledger_key());
  write(folder() / (std::string(16, 'c') + ".jsonl"), sealed_chain(keys_));
  const Outcome found = verify();
  EXPECT_EQ(found.status, kNotSealed);
  EXPECT_THAT(found.out, HasSubstr("tampered"));
}

TEST_F(AuditRegistry, MissesTheChainOfAnOpenTaskWhateverTheListSays) {
  record(TaskState::active, ledger_key());
  forge_purge(unix_now_s() * 1000);
  const Outcome found = verify({"--retention", "90d"});
  EXPECT_EQ(found.status, kNotSealed);
  EXPECT_THAT(found.out, HasSubstr("is missing"));
  EXPECT_THAT(found.out, HasSubstr("its task is open"));
}

TEST_F(AuditRegistry, ForgetsATaskOnlyWhenItsChainWasPurged) {
  ChainText chain(1'700'000'000'000);  // long ago
  chain.add(ledger::Event::open, open_data())
      .add(ledger::Event::active, active_data(keys_))
      .add(ledger::Event::end, end_data());
  write(chain_file(), chain.seal(keys_.ledger).text());
  record(TaskState::closed, ledger_key());
  sqlite::Connection(registry_file(), std::chrono::steady_clock::now() + std::chrono::seconds(60))
      .run("UPDATE task SET opened = opened - 8000000000, ended = ended - 8000000000");
  const auto forget = [&] { return sandbox_.mayfly({"registry", "purge"}).out; };
  EXPECT_THAT(forget(), HasSubstr("1 tasks stay for their ledgers"));
  EXPECT_EQ(verify().status, kOk) << "the registry still knows the chain's key";

  fs::rename(chain_file(), chain_file() + ".gone");
  EXPECT_THAT(forget(), HasSubstr("1 tasks stay for their ledgers"));
  EXPECT_THAT(verify().out, HasSubstr("is missing")) << "as long as it was not purged";

  const std::string list = ledger::chain_log_path(folder()).string();
  forge_purge(unix_now_s() * 1000 + 1'000'000'000);
  EXPECT_THAT(forget(), HasSubstr("1 tasks stay for their ledgers")) << "that is still to come";
  fs::remove(list);

  fs::rename(chain_file() + ".gone", chain_file());
  ASSERT_THAT(sandbox_.mayfly({"audit", "purge", "--older", "1d"}).out, HasSubstr("1 removed"));
  EXPECT_THAT(forget(), HasSubstr("1 tasks and"));
  EXPECT_THAT(forget(), HasSubstr("0 tasks and"));
  EXPECT_THAT(verify().out, Not(HasSubstr("is missing")));
}

}  // namespace
}  // namespace mayfly::test
