// `mayfly init` where something goes wrong: it says what, and leaves nothing behind.
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/tools/mayfly_sandbox.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class InitFailure : public testing::Test {
 protected:
  Outcome init(const fs::path& folder) const {
    return sandbox_.mayfly({"init", "--folder", folder});
  }

  MayflySandbox sandbox_;
};

TEST_F(InitFailure, AFileInPlaceOfTheFolder) {
  const fs::path file = sandbox_.root() / "file";
  std::ofstream(file) << "mine";
  for (const fs::path& folder : {file, file / "below", file / "far/below"}) {
    const Outcome outcome = init(folder);
    EXPECT_EQ(outcome.status, 73) << folder;
    EXPECT_THAT(outcome.err, HasSubstr("Not a directory")) << folder;
  }
  EXPECT_EQ(read_file(file), "mine");
}

TEST_F(InitFailure, ALinkToNowhereOrToItself) {
  const fs::path dangling = sandbox_.root() / "dangling";
  const fs::path loop = sandbox_.root() / "loop";
  fs::create_symlink("nowhere", dangling);
  fs::create_symlink("loop", loop);
  EXPECT_EQ(init(dangling).status, 73);
  EXPECT_EQ(init(loop).status, 73);
  EXPECT_EQ(init(loop / "below").status, 73);
  EXPECT_FALSE(fs::exists(sandbox_.root() / "nowhere"));
}

TEST_F(InitFailure, AFolderThatOthersCanWriteOrOwn) {
  const fs::path folder = sandbox_.root() / "shared";
  fs::create_directory(folder);
  fs::permissions(folder, fs::perms(0775));
  Outcome outcome = init(folder);
  EXPECT_EQ(outcome.status, 73);
  EXPECT_THAT(outcome.err, HasSubstr("run: chmod go-w " + folder.string()));
  fs::permissions(folder, fs::perms(0755));
  if (geteuid() == 0) {
    ASSERT_EQ(chown(folder.c_str(), 65'534, 0), 0);
    outcome = init(folder);
    EXPECT_EQ(outcome.status, 73);
    EXPECT_THAT(outcome.err, HasSubstr("belongs to user 65534"));
  }
  EXPECT_THAT(tree(folder), IsEmpty());
}

TEST_F(InitFailure, APathThatSoftHsmCannotTake) {
  EXPECT_EQ(init(sandbox_.root() / "a#b").status, 73);
  EXPECT_EQ(init(sandbox_.root() / "a\nb").status, 73);
  EXPECT_EQ(init(sandbox_.root() / "a\xff").status, 73);
  EXPECT_THAT(tree(sandbox_.root()), ElementsAre("config", "home", "run"));
}

TEST_F(InitFailure, AKernelFolder) {
  const Outcome outcome = init("/proc/mayfly");
  EXPECT_EQ(outcome.status, 73) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("/proc/mayfly"));
}

TEST_F(InitFailure, AReadOnlyFolder) {
  with_own_mounts([&] {
    const fs::path folder = sandbox_.root() / "home";
    mount_memory(folder, "mode=0700");
    remount_read_only(folder);
    for (const fs::path& target : {folder, folder / "new", folder / "far/new"}) {
      const Outcome outcome = init(target);
      EXPECT_EQ(outcome.status, 73) << outcome.err;
      EXPECT_THAT(outcome.err, HasSubstr("Read-only file system"));
    }
    EXPECT_THAT(tree(folder), IsEmpty());
  });
}

TEST_F(InitFailure, WithoutSoftHsm) {
  with_own_mounts([&] {
    for (const auto& library : {"/usr/lib/softhsm", "/usr/lib/" MAYFLY_MULTIARCH "/softhsm"}) {
      if (fs::exists(library)) mount_memory(library, "");
    }
    const Outcome outcome = init(sandbox_.root() / "new");
    EXPECT_EQ(outcome.status, 69);
    EXPECT_THAT(outcome.err, HasSubstr("SoftHSM2 is not installed"));
    EXPECT_THAT(outcome.err, HasSubstr("apt install softhsm2"));
  });
  EXPECT_FALSE(fs::exists(sandbox_.root() / "new"));
}

/// On file systems with room for a few files only, it either works to the end or leaves nothing.
/// @param options  Of the file system, with % where the number goes.
void try_sizes(const MayflySandbox& sandbox, const std::string& options, int step, int most,
               bool folder_is_there) {
  const fs::path disk = sandbox.root() / "home";
  int failed = 0;
  bool succeeded = false;
  for (int size = step; size <= most && !succeeded; size += step) {
    with_own_mounts([&] {
      std::string text = options;
      text.replace(text.find('%'), 1, std::to_string(size));
      mount_memory(disk, text);
      const fs::path folder = folder_is_there ? disk : disk / "parent" / "new";
      const Outcome outcome = sandbox.mayfly({"init", "--folder", folder});
      if (outcome.status == 0) {
        const Diagnosis diagnosis = diagnose(sandbox, folder / "mayfly.toml");
        EXPECT_TRUE(diagnosis.ok) << size << testing::PrintToString(diagnosis.details);
      } else {
        EXPECT_EQ(outcome.status, 74) << size << ": " << outcome.err;
        EXPECT_THAT(outcome.err, HasSubstr("free some space")) << size;
        EXPECT_THAT(tree(disk), IsEmpty()) << size;
      }
      std::ofstream(sandbox.root() / "run" / "status") << outcome.status;
    });
    succeeded = read_file(sandbox.root() / "run" / "status") == "0";
    if (!succeeded) ++failed;
  }
  EXPECT_TRUE(succeeded);
  EXPECT_GE(failed, 3) << "the sizes are no test";
}

TEST_F(InitFailure, AFullDisk) { try_sizes(sandbox_, "mode=0700,size=%k", 4, 256, false); }

TEST_F(InitFailure, AFullDiskWhereTheFolderIsThere) {
  try_sizes(sandbox_, "mode=0700,size=%k", 4, 256, true);
}

TEST_F(InitFailure, NoInodesLeft) { try_sizes(sandbox_, "mode=0700,nr_inodes=%", 1, 64, false); }

TEST_F(InitFailure, NoInodesLeftWhereTheFolderIsThere) {
  try_sizes(sandbox_, "mode=0700,nr_inodes=%", 1, 64, true);
}

/// A signal that comes in the middle waits until there is nothing half-made.
TEST_F(InitFailure, ASignalInTheMiddle) {
  sandbox_.init(sandbox_.root() / "hsm");
  const std::string module = fs::exists("/usr/lib/softhsm/libsofthsm2.so")
                                 ? "/usr/lib/softhsm/libsofthsm2.so"
                                 : "/usr/lib/" MAYFLY_MULTIARCH "/softhsm/libsofthsm2.so";
  const auto script = [&](const std::string& last) {
    const fs::path file = sandbox_.root() / "script";
    std::ofstream(file) << "#!/bin/sh\nkill -TERM $PPID\n" << last << "\n";
    fs::permissions(file, fs::perms(0700));
    return "command:" + file.string();
  };
  const auto init_with = [&](const std::string& last) {
    return sandbox_.mayfly({"init", "--folder", sandbox_.root() / "new", "--module", module,
                            "--token", "pkcs11:token=mayfly", "--pin-source", script(last), "--env",
                            "SOFTHSM2_CONF=" + (sandbox_.root() / "hsm/softhsm2.conf").string()});
  };
  Outcome outcome = init_with("exit 1");
  EXPECT_EQ(outcome.status, -SIGTERM) << outcome.err;
  EXPECT_FALSE(fs::exists(sandbox_.root() / "new"));
  EXPECT_THAT(tree(sandbox_.root()), testing::Not(testing::Contains(HasSubstr(".new"))));

  outcome = init_with("exec cat " + (sandbox_.root() / "hsm/pin").string());
  EXPECT_EQ(outcome.status, -SIGTERM) << outcome.err;
  EXPECT_THAT(tree(sandbox_.root() / "new"), ElementsAre("mayfly.toml"));
}

}  // namespace
}  // namespace mayfly::test
