// The units for systemd say nothing that it does not know.
#include <fstream>
#include <regex>

#include <gmock/gmock.h>

#include "integration/tools/command.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

/// What systemd has to say of the broker's units, where the program and its user are there.
Outcome verify(const std::string& from, const std::string& to) {
  const TempFolder folder;
  std::vector<std::string> command = {"/usr/bin/systemd-analyze", "verify"};
  for (const char* name : {"mayfly.service", "mayfly.socket", "mayfly-checkpoint.service",
                           "mayfly-checkpoint.timer"}) {
    std::string text = read_file(std::filesystem::path(MAYFLY_UNITS) / name);
    text = std::regex_replace(text, std::regex("ExecStart=mayfly"), "ExecStart=/bin/true");
    text = std::regex_replace(text, std::regex("User=mayfly"), "User=daemon");
    if (!from.empty()) text = std::regex_replace(text, std::regex(from), to);
    command.push_back(folder.write(name, text, 0644).string());
  }
  return run(command);
}

TEST(Units, AreUnderstoodBySystemd) {
  const Outcome outcome = verify("", "");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
}

TEST(Units, AMistakeWouldBeSeen) {
  EXPECT_THAT(verify("NoNewPrivileges", "NoNewPrivilege").err, testing::HasSubstr("Unknown key"));
}

}  // namespace
}  // namespace mayfly::test
