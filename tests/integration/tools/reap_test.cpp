// `mayfly reap` as a person calls it.
#include <csignal>
#include <fstream>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "compose/library.h"
#include "config/config.h"
#include "integration/tools/mayfly_sandbox.h"
#include "support/swtpm.h"
#include "tools/exit_status.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;

class Reap : public testing::Test {
 protected:
  Reap() { sandbox_.init(sandbox_.user_folder()); }

  [[nodiscard]] std::filesystem::path config() const {
    return sandbox_.user_folder() / "mayfly.toml";
  }

  /// Makes the configuration one that stores keys.
  void store_keys(const std::string& registry) {
    std::ostringstream content;
    content << std::ifstream(config()).rdbuf();
    std::string text = content.str();
    const std::string keys = "#keys = \"session\"";
    const std::string file = "#file = \"/var/lib/mayfly/registry.db\"";
    ASSERT_NE(text.find(keys), std::string::npos);
    ASSERT_NE(text.find(file), std::string::npos);
    text.replace(text.find(keys), keys.size(), "keys = \"stored\"");
    text.replace(text.find(file), file.size(), "file = \"" + registry + "\"");
    std::ofstream(config()) << text;
  }

  MayflySandbox sandbox_;
};

TEST_F(Reap, HasNothingToDoWhereNoKeysAreStored) {
  const Outcome outcome = sandbox_.mayfly({"reap"});
  EXPECT_EQ(outcome.status, tools::kOk);
  EXPECT_THAT(outcome.err, HasSubstr("nothing to look for"));
}

TEST_F(Reap, EndsTheKeysOfDeadProcessesInATpmWithoutARegistry) {
  const Swtpm swtpm;
  const std::filesystem::path file = sandbox_.root() / "tpm.toml";
  std::ofstream(file) << "[device]\ntype = \"tpm\"\n[tpm]\ntcti = \"" << swtpm.tcti()
                      << "\"\nkill-switch = true\n";
  const pid_t child = fork();
  if (child == 0) {
    const auto device = open_device(Config::load(file));
    const auto key = device->open_scope({"task", "0123456789abcdef", BootClock::time_point::max()})
                         ->generate({CKK_EC, 256});
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  const Outcome outcome = sandbox_.mayfly({"reap", "--config", file.string()});
  EXPECT_EQ(outcome.status, tools::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("destroyed  1  counters and sessions of dead processes"));
  const Outcome again = sandbox_.mayfly({"reap", "--json", "--config", file.string()});
  EXPECT_EQ(nlohmann::json::parse(again.out).at("destroyed"), 0);
}

TEST_F(Reap, SaysWhatItFound) {
  store_keys("registry.db");
  const Outcome outcome = sandbox_.mayfly({"reap"});
  EXPECT_EQ(outcome.status, tools::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("destroyed  0  keys of dead processes"));
  const Outcome json = sandbox_.mayfly({"reap", "--json"});
  EXPECT_EQ(json.status, tools::kOk);
  const auto report = nlohmann::json::parse(json.out);
  for (const char* name : {"destroyed", "pending", "missing", "alive", "foreign"}) {
    EXPECT_EQ(report.at(name), 0) << name;
  }
}

TEST_F(Reap, DestroysNothingWithoutItsRegistry) {
  store_keys("/nowhere/registry.db");
  const Outcome outcome = sandbox_.mayfly({"reap"});
  EXPECT_EQ(outcome.status, tools::kDeviceFailed);
  EXPECT_THAT(outcome.err, HasSubstr("/nowhere"));
}

TEST_F(Reap, TheDoctorUsesAndDestroysAStoredKey) {
  store_keys("registry.db");
  const Diagnosis diagnosis = diagnose(sandbox_, config());
  EXPECT_TRUE(diagnosis.ok) << testing::PrintToString(diagnosis.details);
  EXPECT_EQ(diagnosis.verdicts.at("test key"), "ok");
}

}  // namespace
}  // namespace mayfly::test
