// What the registry of a broker forgets, and what it keeps.
#include <gmock/gmock.h>

#include "integration/serve/served_broker.h"
#include "registry/sqlite/connection.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

class ServeRegistryUpkeep : public testing::Test {
 protected:
  /// As if all tasks that have ended had done so long ago.
  /// @param ended  How many have ended: an end is told before it is recorded.
  void age_tasks(std::int64_t ended) const {
    sqlite::Connection registry(home_.folder() / "registry.db",
                                std::chrono::steady_clock::now() + std::chrono::seconds(60));
    ASSERT_TRUE(eventually([&] {
      return registry.run("SELECT count(*) FROM task WHERE ended IS NOT NULL").front().number(0) ==
             ended;
    }));
    static_cast<void>(
        registry.run("UPDATE task SET opened = opened - 8000000000, ended = ended - 8000000000"));
  }
  [[nodiscard]] std::vector<std::string> known(const ServedBroker& broker) const {
    std::vector<std::string> tasks;
    for (const auto& task : broker.ask({"list", "--all"})) tasks.push_back(task.at("task"));
    return tasks;
  }

  /// @param keep  How long the broker itself remembers.
  explicit ServeRegistryUpkeep(const std::string& keep = "90d")
      : home_(serve_table() + "[registry]\nfile = \"registry.db\"\nkeep = \"" + keep + "\"\n") {}

  const BrokerHome home_;
};

/// Where only the person who asks has something forgotten.
class ServeRegistryPurge : public ServeRegistryUpkeep {
 protected:
  ServeRegistryPurge() : ServeRegistryUpkeep("1000d") {}
};

TEST_F(ServeRegistryUpkeep, ABrokerForgetsWhatEndedLongAgo) {
  {
    ServedBroker broker(home_);
    static_cast<void>(broker.open("old"));
    ASSERT_EQ(broker.mayfly({"close", "--task", "old"}).status, 0);
    static_cast<void>(broker.open("killed"));
    EXPECT_EQ(broker.stop(), 0);
    age_tasks(2);
  }
  const ServedBroker broker(home_);
  static_cast<void>(broker.open("new"));
  EXPECT_TRUE(eventually([&] { return known(broker) == std::vector<std::string>{"new"}; }));
  EXPECT_TRUE(eventually([&] {
    return home_.log().find("the registry has forgotten 2 old tasks") != std::string::npos;
  }));
}

TEST_F(ServeRegistryPurge, ThePersonWhoAsksIsToldWhatWent) {
  const ServedBroker broker(home_);
  static_cast<void>(broker.open("old"));
  ASSERT_EQ(broker.mayfly({"close", "--task", "old"}).status, 0);
  const Outcome kept = broker.mayfly({"registry", "purge"});
  EXPECT_EQ(kept.status, 0) << kept.err;
  EXPECT_THAT(kept.out, HasSubstr("0 tasks and "));
  EXPECT_EQ(known(broker), std::vector<std::string>{"old"});
  static_cast<void>(broker.open("open"));
  age_tasks(1);
  for (const Words& kept_longer : {Words{}, Words{"--older", "100d"}}) {
    Words purge = {"registry", "purge"};
    purge.insert(purge.end(), kept_longer.begin(), kept_longer.end());
    EXPECT_THAT(broker.mayfly(purge).out, HasSubstr("0 tasks"));
  }
  EXPECT_THAT(broker.mayfly({"registry", "purge", "--older", "90d"}).out, HasSubstr("1 tasks"));
  EXPECT_EQ(known(broker), std::vector<std::string>{"open"});
}

}  // namespace
}  // namespace mayfly::test
