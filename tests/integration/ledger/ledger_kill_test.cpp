// kill -9 while a process signs: no signature was given out that its ledger lacks.
#include <csignal>
#include <fcntl.h>
#include <random>
#include <set>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "integration/ledger/ledger_home.h"
#include "ledger/chain_folder.h"
#include "support/rounds.h"

namespace mayfly::test {
namespace {

struct Victim {
  pid_t process = -1;
  int numbers = -1;  // the reading end of what it prints
};

Victim start(const std::filesystem::path& config) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);  // nothing makes it wait
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const std::string file = config.string();
  char program[] = MAYFLY_LEDGER_SIGNER;
  char* arguments[] = {program, const_cast<char*>(file.c_str()), nullptr};
  Victim victim;
  victim.numbers = ends[0];
  posix_spawn(&victim.process, program, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  return victim;
}

/// Waits for `first` numbers, kills the victim, and gives the hash of each number it had printed.
std::set<std::string> kill_after(const Victim& victim, std::uint64_t first) {
  std::set<std::string> digests;
  std::uint64_t number = 0;
  const auto next = [&] {
    std::size_t size = 0;
    while (size < sizeof number) {
      const ssize_t got =
          read(victim.numbers, reinterpret_cast<char*>(&number) + size, sizeof number - size);
      if (got <= 0) return false;
      size += static_cast<std::size_t>(got);
    }
    digests.insert(to_hex(
        digest(Hash::sha256, {reinterpret_cast<const std::uint8_t*>(&number), sizeof number})));
    return true;
  };
  while (digests.size() < first && next()) continue;
  kill(victim.process, SIGKILL);
  while (next()) continue;
  close(victim.numbers);
  int status = 0;
  EXPECT_EQ(waitpid(victim.process, &status, 0), victim.process);
  EXPECT_TRUE(WIFSIGNALED(status));
  return digests;
}

TEST(LedgerKill, NoSignatureWasGivenOutThatTheLedgerLacks) {
  const LedgerHome home;
  const auto config = home.config("[log]\nlevel = \"error\"\n");
  std::minstd_rand random(7);
  std::size_t given_out = 0;
  std::size_t written = 0;
  for (int round = 0; round < rounds(); ++round) {
    for (const auto& old : std::filesystem::directory_iterator(home.folder())) {
      std::filesystem::remove(old);
    }
    const std::set<std::string> digests = kill_after(start(config), 1 + random() % 200);
    ASSERT_FALSE(digests.empty());
    const auto chains = home.chains();
    ASSERT_EQ(chains.size(), 1U);
    std::set<std::string> recorded;
    const ledger::Verification found =
        verify_path(chains.begin()->second, {}, [&](const ledger::Entry& entry) {
          if (entry.event == ledger::Event::signature) recorded.insert(entry.data.at("digest"));
        });
    // The kernel may leave a write half done that is killed.
    EXPECT_TRUE(found.verdict == ledger::Verdict::unsealed ||
                found.verdict == ledger::Verdict::truncated)
        << found.line << " " << found.problem;
    for (const std::string& digest : digests) {
      ASSERT_TRUE(recorded.contains(digest)) << "round " << round;
    }
    given_out += digests.size();
    written += recorded.size();
  }
  RecordProperty("given_out", static_cast<int>(given_out));
  RecordProperty("written", static_cast<int>(written));
  EXPECT_GE(written, given_out);
}

TEST(LedgerKill, TheNextProcessTellsOfItOnce) {
  const LedgerHome home;
  kill_after(start(home.config()), 3);
  const auto log = home.folder().parent_path() / "log";
  const Config config =
      Config::load(home.config("[log]\nlevel = \"warn\"\nfile = \"" + log.string() + "\"\n"));
  Library(config).close();
  const std::string once = read_file(log);
  EXPECT_NE(once.find("the ledger of task killed is not sealed, since its process died"), once.npos)
      << once;
  Library second(config);
  const auto task = second.tasks().open({"mine", {}});
  EXPECT_TRUE(ledger::take_abandoned(home.folder()).empty()) << "a living process's is left alone";
  second.close();
  EXPECT_EQ(read_file(log), once);
}

}  // namespace
}  // namespace mayfly::test
