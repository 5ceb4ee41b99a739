// Where the configuration is looked for, and in which order.
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "config/config.h"
#include "support/environment.h"
#include "support/temp_folder.h"
#include "unit/config/message_of.h"

namespace mayfly {
namespace {

using std::filesystem::exists;
using test::ScopedVariable;

class ConfigFind : public testing::Test {
 protected:
  void SetUp() override {
    // The last place is outside of the test's reach, and would hide what is tested.
    ASSERT_FALSE(exists("/etc/mayfly/mayfly.toml")) << "run this test where mayfly is not set up";
  }

  test::TempFolder folder_;
  ScopedVariable conf_{"MAYFLY_CONF", std::nullopt};
  ScopedVariable xdg_{"XDG_CONFIG_HOME", (folder_.path() / "xdg").string()};
  ScopedVariable home_{"HOME", (folder_.path() / "home").string()};
};

TEST_F(ConfigFind, TheArgumentComesFirst) {
  folder_.write("xdg/mayfly/mayfly.toml", "");
  const ScopedVariable conf("MAYFLY_CONF", "/elsewhere.toml");
  EXPECT_EQ(Config::find("/given.toml"), "/given.toml");
}

TEST_F(ConfigFind, ThenTheVariableEvenIfTheFileIsMissing) {
  folder_.write("xdg/mayfly/mayfly.toml", "");
  const ScopedVariable conf("MAYFLY_CONF", "/elsewhere.toml");
  EXPECT_EQ(Config::find(""), "/elsewhere.toml");
}

TEST_F(ConfigFind, AnEmptyVariableIsNone) {
  const auto file = folder_.write("xdg/mayfly/mayfly.toml", "");
  const ScopedVariable conf("MAYFLY_CONF", "");
  EXPECT_EQ(Config::find(""), file);
}

TEST_F(ConfigFind, RelativePathsBecomeAbsolute) {
  EXPECT_EQ(Config::find("given.toml"), std::filesystem::current_path() / "given.toml");
  const ScopedVariable conf("MAYFLY_CONF", "set.toml");
  EXPECT_EQ(Config::find(""), std::filesystem::current_path() / "set.toml");
}

TEST_F(ConfigFind, ThenTheUsersFolder) {
  folder_.write("home/.config/mayfly/mayfly.toml", "");
  const auto file = folder_.write("xdg/mayfly/mayfly.toml", "");
  EXPECT_EQ(Config::find(""), file);
  EXPECT_EQ(Config::user_folder(), folder_.path() / "xdg/mayfly");
}

TEST_F(ConfigFind, WithoutXdgTheHomeFolder) {
  folder_.write("xdg/mayfly/mayfly.toml", "");
  const auto file = folder_.write("home/.config/mayfly/mayfly.toml", "");
  for (const std::optional<std::string>& value :
       {std::optional<std::string>(), std::optional<std::string>(""),
        std::optional<std::string>("relative/is/ignored")}) {
    const ScopedVariable xdg("XDG_CONFIG_HOME", value);
    EXPECT_EQ(Config::find(""), file);
  }
}

TEST_F(ConfigFind, WithoutHomeThePasswordDatabase) {
  const ScopedVariable xdg("XDG_CONFIG_HOME", std::nullopt);
  const ScopedVariable home("HOME", std::nullopt);
  const auto folder = Config::user_folder();
  EXPECT_TRUE(folder.is_absolute()) << folder;
  EXPECT_TRUE(folder.string().ends_with("/.config/mayfly")) << folder;
}

TEST_F(ConfigFind, AFileThatCannotBeLookedAtIsNotPassedOver) {
  // Its folder is a link to itself, which nobody, not even root, can follow.
  std::filesystem::create_directories(folder_.path() / "xdg");
  std::filesystem::create_symlink("mayfly", folder_.path() / "xdg/mayfly");
  EXPECT_EQ(Config::find(""), folder_.path() / "xdg/mayfly/mayfly.toml");
}

/// What Config::find("") answers where /etc holds a configuration and nothing else: 0 if that one.
/// The /etc is one of this process's own.
int find_with_etc() {
  if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0) return 10;
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 11;
  if (mount("none", "/etc", "tmpfs", 0, nullptr) != 0) return 12;
  std::filesystem::create_directories("/etc/mayfly");
  std::ofstream("/etc/mayfly/mayfly.toml").flush();
  return Config::find("") == "/etc/mayfly/mayfly.toml" ? 0 : 1;
}

TEST_F(ConfigFind, ThenTheMachinesFolder) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(find_with_etc());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "10 to 12: no mount namespace to be had";
}

TEST_F(ConfigFind, NoneSaysWhereItLooked) {
  EXPECT_EQ(test::message_of([] { return Config::find(""); }),
            "no configuration: $MAYFLY_CONF is not set, and there is no " +
                (folder_.path() / "xdg/mayfly/mayfly.toml").string() +
                " and /etc/mayfly/mayfly.toml; run: mayfly init");
}

}  // namespace
}  // namespace mayfly
