// The ledgers of `mayfly serve`: what its registry knows of them, and those of dead processes.
#include <fstream>
#include <signal.h>
#include <sys/stat.h>

#include <gmock/gmock.h>

#include "integration/serve/served_broker.h"
#include "support/sample_chain.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using ledger::Event;
using nlohmann::json;
using testing::HasSubstr;

class ServeLedger : public testing::Test {
 protected:
  ServeLedger() {
    fs::create_directory(folder());
    fs::permissions(folder(), fs::perms::owner_all);
  }

  [[nodiscard]] fs::path folder() const { return home_.folder() / "ledger"; }

  /// What `mayfly audit verify` says of the only chain.
  static json verify(const ServedBroker& broker, int status,
                     const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"audit", "verify"};
    words.insert(words.end(), more.begin(), more.end());
    return broker.ask(words, status).at("chains").at(0);
  }

  /// The chain of a process that is dead, or else of one that can't be seen, after its deadline.
  void plant(char digit) const {
    const std::string serial(16, digit);
    json open = open_data();
    open["serial"] = serial;
    open["deadline"] = 1;
    ChainText chain;
    const fs::path path = folder() / (serial + ".jsonl");
    std::ofstream(path, std::ios::binary) << chain.add(Event::open, open).text();
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  }
  [[nodiscard]] bool is_taken(char digit) const {
    struct stat status {};
    const fs::path path = folder() / (std::string(16, digit) + ".jsonl");
    return stat(path.c_str(), &status) == 0 && (status.st_mode & S_IWUSR) == 0;
  }

  BrokerHome home_{serve_table() +
                   "[ledger]\nfolder = \"ledger\"\n[registry]\nfile = \"registry.db\"\n"};
};

TEST_F(ServeLedger, TheRegistryLearnsTheKeyFromTheWorker) {
  ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
  EXPECT_EQ(verify(broker, 0, {"--accept-unsealed"}).at("registry").at("problems"), json::array());
  ASSERT_EQ(broker.mayfly({"close", "--task", "t"}).status, 0);
  const json closed = verify(broker, 0);
  EXPECT_EQ(closed.at("verdict"), "sealed");
  EXPECT_EQ(closed.at("registry").at("knows_key"), true) << closed.dump(2);
  fs::remove(closed.at("file").get<std::string>());
  EXPECT_EQ(broker.ask({"audit", "verify"}, 1).at("missing").at(0).at("task"), "t");
}

TEST_F(ServeLedger, AKilledWorkersTaskIsLostInTheRegistryToo) {
  ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  const HoldingClient holding(task);
  kill(broker.children().at(0), SIGKILL);
  ASSERT_TRUE(eventually([&] { return broker.list().empty(); }));
  const json killed = verify(broker, 0, {"--accept-unsealed"});
  EXPECT_EQ(killed.at("verdict"), "unsealed");
  EXPECT_THAT(killed.at("registry").at("notes").dump(), HasSubstr("calls the task lost"));
}

TEST_F(ServeLedger, OfDeadProcessesAreLookedForByTheBrokerAlone) {
  plant('a');
  {
    ServedBroker broker(home_);
    EXPECT_TRUE(eventually([&] { return is_taken('a'); }));
    EXPECT_THAT(home_.log(), HasSubstr("is not sealed, since its process died"));
    plant('b');
    const OpenedTask task = broker.open("t");
    ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
    ASSERT_EQ(broker.mayfly({"close", "--task", "t"}).status, 0);
    EXPECT_FALSE(is_taken('b')) << "a worker looks through the folder";
  }
  const ServedBroker next(home_);
  EXPECT_TRUE(eventually([&] { return is_taken('b'); }));
}

}  // namespace
}  // namespace mayfly::test
