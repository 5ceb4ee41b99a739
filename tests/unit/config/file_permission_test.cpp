// Files that somebody else could change or read are refused, on the open descriptor.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/guarded_file.h"
#include "config/config.h"
#include "support/temp_folder.h"
#include "unit/config/message_of.h"

namespace mayfly {
namespace {

constexpr char kGood[] =
    "[device]\nmodule = \"/m.so\"\ntoken = \"pkcs11:token=t\"\npin-source = \"fd:3\"\n";
constexpr uid_t kStranger = 65'534;

class ConfigPermission : public testing::TestWithParam<mode_t> {
 protected:
  test::TempFolder folder_;
};

class WritableConfig : public ConfigPermission {};
class SafeConfig : public ConfigPermission {};

TEST_P(WritableConfig, IsRefused) {
  const auto file = folder_.write("mayfly.toml", kGood, GetParam());
  const char* who = (GetParam() & S_IWOTH) != 0 ? "everybody" : "its group";
  EXPECT_EQ(test::message_of([&] { return Config::load(file); }),
            file.string() + ": can be written by " + who + "; run: chmod go-w " + file.string());
  ASSERT_EQ(chmod(file.c_str(), GetParam() & ~static_cast<mode_t>(022)), 0);
  EXPECT_NO_THROW(static_cast<void>(Config::load(file))) << "after the advice was followed";
}
INSTANTIATE_TEST_SUITE_P(Modes, WritableConfig, testing::Values(0620, 0602, 0660, 0666, 0777));

TEST_P(SafeConfig, IsRead) {
  const auto file = folder_.write("mayfly.toml", kGood, GetParam());
  EXPECT_NO_THROW(static_cast<void>(Config::load(file)));
}
INSTANTIATE_TEST_SUITE_P(Modes, SafeConfig, testing::Values(0400, 0600, 0640, 0644, 0755));

TEST(ConfigFile, OfAStrangerIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const test::TempFolder folder;
  const auto file = folder.write("mayfly.toml", kGood);
  ASSERT_EQ(chown(file.c_str(), kStranger, 0), 0);
  EXPECT_EQ(test::message_of([&] { return Config::load(file); }),
            file.string() +
                ": belongs to user 65534, who could change it at any time; run: chown 0 " +
                file.string());
}

TEST(ConfigFile, OfRootIsReadByOthers) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const test::TempFolder folder;
  const auto file = folder.write("mayfly.toml", kGood, 0644);
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  ASSERT_EQ(seteuid(kStranger), 0);
  EXPECT_NO_THROW(static_cast<void>(Config::load(file)));
  ASSERT_EQ(seteuid(0), 0);
}

TEST(ConfigFile, BehindALinkIsCheckedItself) {
  const test::TempFolder folder;
  const auto file = folder.write("real.toml", kGood, 0666);
  const auto link = folder.path() / "mayfly.toml";
  std::filesystem::create_symlink(file, link);
  EXPECT_EQ(test::message_of([&] { return Config::load(link); }),
            link.string() + ": can be written by everybody; run: chmod go-w " + link.string());
  ASSERT_EQ(chmod(file.c_str(), 0600), 0);
  EXPECT_NO_THROW(static_cast<void>(Config::load(link)));
}

TEST(ConfigFile, ThatIsNoFileIsRefusedWithoutWaiting) {
  const test::TempFolder folder;
  const auto fifo = folder.path() / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const std::filesystem::path& path :
       {folder.path(), fifo, std::filesystem::path("/dev/zero")}) {
    EXPECT_EQ(test::message_of([&] { return Config::load(path); }),
              path.string() + ": is not a regular file; name the file itself");
  }
}

TEST(ConfigFile, ThatIsNotThereOrTooLargeIsRefused) {
  const test::TempFolder folder;
  const auto absent = folder.path() / "mayfly.toml";
  EXPECT_EQ(test::message_of([&] { return Config::load(absent); }),
            absent.string() +
                ": can't be opened: No such file or directory; check the path and its permissions");
  const auto large = folder.write("large.toml", std::string(256 * 1024 + 1, '#'));
  EXPECT_EQ(
      test::message_of([&] { return Config::load(large); }),
      large.string() + ": is larger than 256 KiB, which no such file is; name the right file");
}

TEST(ShellWord, QuotesWhatAShellWouldSplit) {
  EXPECT_EQ(shell_word("/etc/mayfly/pin"), "/etc/mayfly/pin");
  EXPECT_EQ(shell_word("/a b"), "'/a b'");
  EXPECT_EQ(shell_word("/a'b"), "'/a'\\''b'");
  EXPECT_EQ(shell_word("/$(reboot)"), "'/$(reboot)'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace mayfly
