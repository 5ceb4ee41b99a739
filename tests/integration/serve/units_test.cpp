// The units for systemd say nothing that it does not know, and who has a folder is who writes in
// it.
#include <regex>
#include <set>
#include <string>

#include <gmock/gmock.h>

#include "integration/tools/command.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

const std::filesystem::path kUnits = MAYFLY_UNITS;

std::set<std::string> unit_names() {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kUnits)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

bool has_line(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex("(^|\n)" + pattern + "(\n|$)"));
}

/// What systemd has to say of the units, where the program and its user are there.
Outcome verify(const std::string& from, const std::string& to) {
  const TempFolder folder;
  std::vector<std::string> command = {"/usr/bin/systemd-analyze", "verify"};
  for (const std::string& name : unit_names()) {
    std::string text = read_file(kUnits / name);
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

// Root would give the folder to everybody to look into, and follow what its owner puts there.
TEST(Units, WhatsTheBrokersIsUsedAsTheBroker) {
  std::size_t checked = 0;
  for (const std::string& name : unit_names()) {
    const std::string text = read_file(kUnits / name);
    if (!has_line(text, "StateDirectory=mayfly( .*)?")) continue;
    ++checked;
    EXPECT_TRUE(has_line(text, "User=mayfly")) << name;
    EXPECT_TRUE(has_line(text, "StateDirectoryMode=0700")) << name;
    EXPECT_TRUE(has_line(text, "LoadCredential=pin:/etc/mayfly/pin")) << name;
    // systemd would make it, as root, in a folder of the broker's.
    EXPECT_FALSE(has_line(text, "StateDirectory=.*/.*")) << name;
  }
  EXPECT_EQ(checked, 3);
}

// What is enabled and not known to the package goes on, or is left behind, when that is removed.
TEST(Units, ThePackageKnowsAllThatCanBeEnabled) {
  const std::filesystem::path scripts = MAYFLY_MAINTAINER_SCRIPTS;
  for (const std::string& name : unit_names()) {
    if (!has_line(read_file(kUnits / name), "\\[Install\\]")) continue;
    for (const char* script : {"postinst", "postrm"}) {
      EXPECT_THAT(read_file(scripts / script), testing::ContainsRegex("units='.*" + name + "[ ']"))
          << script;
    }
    if (name.ends_with(".service") && name != "mayfly.service") continue;  // it is over soon
    EXPECT_THAT(read_file(scripts / "prerm"), testing::ContainsRegex("stop .*" + name + " "));
  }
}

}  // namespace
}  // namespace mayfly::test
