// Whatever is killed, no key lives on and nothing is left behind.
#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <iterator>
#include <signal.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/broker/mayfly_run.h"

namespace mayfly::test {
namespace {

using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kSignOn = client("sign-on") + " & " + client("sign-on") + " & wait";

void expect_no_process(const BrokerHome& home) {
  EXPECT_TRUE(eventually([&] { return home.processes().empty(); }))
      << testing::PrintToString(home.processes());
}

/// The next run works, and sweeps what dead ones left.
void expect_healthy(const BrokerHome& home) {
  const Outcome outcome = run_script(home, "next", client("generate") + " && " + client("count"));
  EXPECT_EQ(outcome.output, "1\n") << outcome.errors;
  EXPECT_THAT(home.run_folders(), IsEmpty());
}

/// Waits for both clients of kSignOn.
bool both_sign(const MayflyRun& run) {
  return eventually([&] {
    const std::string output = run.output();
    return output.find("signing") != output.rfind("signing");
  });
}

TEST(RunKill, TheCommand) {
  const BrokerHome home;
  for (int round = 0; round < rounds(); ++round) {
    MayflyRun run(home, "t", {"/bin/sh", "-c", "echo $$; " + kSignOn});
    ASSERT_TRUE(both_sign(run)) << run.errors() << run.output();
    pid_t command = 0;
    std::istringstream(run.output()) >> command;
    kill(command, SIGKILL);
    const Outcome outcome = run.wait();
    EXPECT_EQ(outcome.wait_status, SIGKILL);
    EXPECT_THAT(home.run_folders(), IsEmpty());
    expect_no_process(home);
  }
  expect_healthy(home);
}

/// Two clients that sign, and a process that nobody would find: a daemon without an environment
/// that does not listen to SIGTERM. Says its number.
const std::string kSignOnWithADaemon =
    "(setsid env -i /bin/sh -c 'trap \"\" TERM HUP; echo daemon $$; while :; do sleep 1; done' &) "
    "; " +
    kSignOn;

bool is_there(pid_t process) { return kill(process, 0) == 0; }

/// The daemon's number, when both clients sign.
pid_t daemon_of(const MayflyRun& run) {
  static const std::string kWord = "daemon ";
  EXPECT_TRUE(both_sign(run)) << run.errors() << run.output();
  EXPECT_TRUE(run.says(kWord));
  const std::string output = run.output();
  return std::stoi(output.substr(output.find(kWord) + kWord.size()));
}

TEST(RunKill, TheGuardian) {
  const BrokerHome home;
  for (int round = 0; round < (rounds() + 49) / 50; ++round) {
    MayflyRun run(home, "t", {"/bin/sh", "-c", kSignOnWithADaemon});
    const pid_t daemon = daemon_of(run);
    const pid_t supervisor = run.supervisor();
    kill(run.guardian(), SIGKILL);
    EXPECT_EQ(run.wait().wait_status, SIGKILL);
    // The supervisor does all that it does at the end of a command.
    EXPECT_TRUE(eventually([&] { return !is_there(supervisor); }));
    EXPECT_TRUE(eventually([&] { return !is_there(daemon); }));
    expect_no_process(home);
    EXPECT_THAT(home.run_folders(), IsEmpty());
  }
  EXPECT_THAT(home.log(), HasSubstr("task t ended (closed), 2 keys destroyed"));
  expect_healthy(home);
}

TEST(RunKill, TheSupervisor) {
  const BrokerHome home;
  for (int round = 0; round < (rounds() + 49) / 50; ++round) {
    MayflyRun run(home, "t", {"/bin/sh", "-c", kSignOnWithADaemon});
    const pid_t daemon = daemon_of(run);
    kill(run.supervisor(), SIGKILL);
    const Outcome outcome = run.wait();
    EXPECT_EQ(outcome.wait_status, SIGKILL);
    EXPECT_THAT(outcome.errors, HasSubstr("the process that supervised the task was killed"));
    EXPECT_FALSE(is_there(daemon));
    expect_no_process(home);
    EXPECT_THAT(home.run_folders(), SizeIs(1));
    expect_healthy(home);
  }
}

/// Lets mayfly be exec'ed by a process that has a child, which has one, too.
class EarlierChildren {
 public:
  ~EarlierChildren() {
    for (const pid_t number : numbers_) kill(number, SIGKILL);
  }

  [[nodiscard]] MayflyRun::Options options() const {
    return {{}, [this] {
              if (fork() != 0) return;
              const std::string script = "sleep 600 & echo $$ $! > " + file().string() + "; wait";
              execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
            }};
  }

  [[nodiscard]] bool live() {
    return eventually([this] {
             if (!std::filesystem::exists(file())) return false;
             std::istringstream words(read_file(file()));
             numbers_.assign(std::istream_iterator<pid_t>(words), {});
             return numbers_.size() == 2;
           }) &&
           std::ranges::all_of(numbers_, is_there);
  }

 private:
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "numbers"; }

  TempFolder folder_;
  std::vector<pid_t> numbers_;
};

TEST(RunKill, ChildrenFromBeforeWeWereMayflyAreLeftAlone) {
  const BrokerHome home;
  EarlierChildren earlier;
  MayflyRun run(home, "t", {"true"}, earlier.options());
  EXPECT_TRUE(earlier.live());
  EXPECT_EQ(run.wait().wait_status, 0);
  EXPECT_TRUE(earlier.live());
}

TEST(RunKill, ChildrenFromBeforeWeWereMayflyAreLeftAloneEvenIfTheSupervisorIsKilled) {
  const BrokerHome home;
  EarlierChildren earlier;
  MayflyRun run(home, "t", {"/bin/sh", "-c", kSignOnWithADaemon}, earlier.options());
  const pid_t daemon = daemon_of(run);
  EXPECT_TRUE(earlier.live());
  kill(run.supervisor(), SIGKILL);
  EXPECT_EQ(run.wait().wait_status, SIGKILL);
  EXPECT_FALSE(is_there(daemon));
  EXPECT_TRUE(earlier.live());
}

TEST(RunKill, TheGuardianAndTheSupervisor) {
  const BrokerHome home;
  for (int round = 0; round < rounds(); ++round) {
    MayflyRun run(home, "t", {"/bin/sh", "-c", kSignOn});
    ASSERT_TRUE(both_sign(run)) << run.errors() << run.output();
    const pid_t supervisor = run.supervisor();
    kill(run.guardian(), SIGSTOP);  // so that it can't do anything in between
    kill(supervisor, SIGKILL);
    kill(run.guardian(), SIGKILL);
    EXPECT_EQ(run.wait().wait_status, SIGKILL);
    // The worker dies at once, the clients of that, the shell of SIGTERM.
    expect_no_process(home);
    EXPECT_THAT(home.run_folders(), SizeIs(1));
    if (round % 5 == 0) expect_healthy(home);
  }
  expect_healthy(home);
}

/// Kills a process of a run at moments of its first 40 ms, and expects that nothing is left.
void kill_at_any_moment(const std::function<pid_t(const MayflyRun&)>& whom) {
  const BrokerHome home;
  for (int round = 0; round < rounds(); ++round) {
    MayflyRun run(home, "t", {"/bin/sh", "-c", client("generate")});
    const pid_t process = whom(run);
    usleep(static_cast<useconds_t>(round % 40) * 1'000);  // the moment is the point of this test
    kill(process, SIGKILL);
    run.wait();
    expect_no_process(home);
  }
  // A folder whose run died before it could lock it is left alone for five minutes: it might be
  // one that is just being made.
  for (const auto& folder : home.run_folders()) {
    std::filesystem::last_write_time(
        folder, std::filesystem::file_time_type::clock::now() - std::chrono::minutes(6));
  }
  expect_healthy(home);
}

TEST(RunKill, TheGuardianAtAnyMoment) {
  kill_at_any_moment([](const MayflyRun& run) { return run.guardian(); });
}

TEST(RunKill, TheSupervisorAtAnyMoment) {
  kill_at_any_moment([](const MayflyRun& run) { return run.supervisor(); });
}

TEST(RunKill, AStoppedSupervisorDoesNotKeepTheTaskAlive) {
  const BrokerHome home;
  MayflyRun run(home, "t", {"/bin/sh", "-c", client("sign-on") + "; exit 6"}, {{"--ttl=2s"}});
  ASSERT_TRUE(run.says("signing")) << run.errors();
  kill(run.supervisor(), SIGSTOP);
  kill(run.guardian(), SIGSTOP);
  EXPECT_TRUE(eventually([&] {
    return home.log().find("task t ended (expired), 1 keys destroyed") != std::string::npos;
  })) << home.log() << run.errors();
  EXPECT_TRUE(run.says("C_Sign")) << "the client is told";
  kill(run.guardian(), SIGCONT);
  kill(run.supervisor(), SIGCONT);
  EXPECT_EQ(WEXITSTATUS(run.wait().wait_status), 6);
  expect_no_process(home);
}

TEST(RunKill, AStandardErrorThatNobodyReadsDoesNotKeepTheTaskAlive) {
  const BrokerHome home;
  std::string config = read_file(home.config_file());
  const std::string file = "file = \"" + home.log_file().string() + "\"\n";
  config.erase(config.find(file), file.size());
  std::ofstream(home.config_file()) << config;
  const auto fill_standard_error = [] {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK) != 0) _exit(98);
    while (write(ends[1], "x", 1) == 1) {
    }
    fcntl(ends[1], F_SETFL, 0);
    dup2(ends[1], STDERR_FILENO);  // the other end stays open in mayfly itself
  };
  MayflyRun run(home, "t", {"/bin/sh", "-c", client("sign-on") + "; exit 6"},
                {{"--ttl=2s"}, fill_standard_error});
  EXPECT_TRUE(run.says("signing"));
  EXPECT_TRUE(run.says("C_Sign")) << "the client is told that its key has gone";
  EXPECT_EQ(WEXITSTATUS(run.wait().wait_status), 6);
  EXPECT_NE(run_in_task(home, "t", {"no-such-command"}, {{}, fill_standard_error}).wait_status, 0);
  expect_no_process(home);
}

TEST(RunKill, TheWorker) {
  const BrokerHome home;
  for (int round = 0; round < rounds(); ++round) {
    // The clients die of SIGPIPE; the command goes on and gives its status.
    MayflyRun run(home, "t", {"/bin/sh", "-c", kSignOn + "; " + client("slots") + "; exit 9"});
    ASSERT_TRUE(both_sign(run)) << run.errors() << run.output();
    kill(run.worker(), SIGKILL);
    const Outcome outcome = run.wait();
    EXPECT_EQ(WEXITSTATUS(outcome.wait_status), 9);
    EXPECT_THAT(outcome.errors, HasSubstr("mayfly: task t is lost"));
    // No token, or if the client was faster than the supervisor, no connection.
    EXPECT_THAT(outcome.output, AnyOf(EndsWith("\n0\n"), EndsWith("C_Initialize answered 48\n")));
    EXPECT_THAT(home.run_folders(), IsEmpty());
    expect_no_process(home);
  }
  EXPECT_THAT(home.log(), HasSubstr("task t is lost"));
  expect_healthy(home);
}

TEST(RunKill, AWorkerThatDoesNotAnswerIsKilledAtTheEnd) {
  const BrokerHome home;
  MayflyRun run(home, "t", {"/bin/sh", "-c", client("generate") + "; echo up; sleep 600"});
  ASSERT_TRUE(run.says("up")) << run.errors();
  kill(run.worker(), SIGSTOP);
  run.send(SIGTERM);
  const Outcome outcome = run.wait();
  EXPECT_EQ(outcome.wait_status, SIGTERM);
  EXPECT_THAT(outcome.errors, HasSubstr("the end of task t was not confirmed"));
  expect_no_process(home);
  expect_healthy(home);
}

TEST(RunKill, AClientInTheMiddleOfASignature) {
  const BrokerHome home;
  MayflyRun run(home, "t",
                {"/bin/bash", "-c",
                 "for i in $(seq " + std::to_string(rounds()) + "); do " + client("sign-on") +
                     " > out & while ! grep -q signing out; do :; done; kill -9 $!; wait $!; "
                     "done 2> /dev/null; " +
                     client("count")},
                {{}, [&] { std::filesystem::current_path(home.folder()); }});
  EXPECT_EQ(run.wait().output, "0\n");
  EXPECT_THAT(home.log(), HasSubstr("task t ended (closed), 0 keys destroyed"));
  expect_healthy(home);
}

TEST(RunKill, ADaemonOfTheCommandIsEnded) {
  const BrokerHome home;
  const auto mark = home.folder() / "daemon";
  const Outcome outcome = run_script(home, "t",
                                     "(setsid sh -c 'trap \"\" TERM; echo up > " + mark.string() +
                                         "; while :; do sleep 1; done' &) ; while [ ! -s " +
                                         mark.string() + " ]; do sleep 0.01; done");
  EXPECT_EQ(outcome.wait_status, 0) << outcome.errors;
  expect_no_process(home);
}

TEST(RunKill, AStoppedChildOfTheCommandIsEnded) {
  const BrokerHome home;
  EXPECT_EQ(run_script(home, "t", "sleep 600 & kill -STOP $!").wait_status, 0);
  expect_no_process(home);
}

TEST(RunKill, SigtermToTheSupervisorEndsEverythingInOrder) {
  const BrokerHome home;
  MayflyRun run(home, "t", {"/bin/sh", "-c", client("generate") + "; echo up; sleep 600"});
  ASSERT_TRUE(run.says("up")) << run.errors();
  run.send(SIGTERM);
  EXPECT_EQ(run.wait().wait_status, SIGTERM);
  EXPECT_THAT(home.log(), HasSubstr("task t ended (closed), 1 keys destroyed"));
  EXPECT_THAT(home.run_folders(), IsEmpty());
  expect_no_process(home);
}

TEST(RunKill, SigtermBeforeTheDeviceIsOpenEndsEverythingInOrder) {
  const BrokerHome home;
  home.configure("command:/bin/sleep 600");
  MayflyRun run(home, "t", {"/bin/echo", "ran"});
  ASSERT_GT(run.worker(), 0);
  run.send(SIGTERM);
  const Outcome outcome = run.wait();
  EXPECT_EQ(outcome.wait_status, SIGTERM);
  EXPECT_EQ(outcome.output, "");
  EXPECT_THAT(home.run_folders(), IsEmpty());
  expect_no_process(home);
}

TEST(RunKill, OnlyWhatIsProvablyADeadRunOfOursIsSwept) {
  const BrokerHome home;
  namespace fs = std::filesystem;
  const fs::path place = home.runtime_folder();
  fs::create_directory(place);
  fs::permissions(place, fs::perms::owner_all);
  const auto make = [&](const std::string& name, int mode, bool locked) {
    fs::create_directory(place / name);
    fs::permissions(place / name, static_cast<fs::perms>(mode));
    if (locked) std::ofstream(place / name / "lock");
  };
  make("mayfly-aaaaaa", 0700, true);   // a dead run
  make("mayfly-bbbbbb", 0700, false);  // no lock file: perhaps just being made
  make("mayfly-cccccc", 0755, true);   // not as we make them
  make("mayfly-notours", 0700, true);  // not as we name them
  make("precious", 0700, true);
  fs::create_symlink(place / "precious", place / "mayfly-dddddd");
  MayflyRun living(home, "living", {"/bin/sh", "-c", "echo up; sleep 600"});
  ASSERT_TRUE(living.says("up")) << living.errors();
  EXPECT_EQ(run_script(home, "t", client("slots")).output, "1\n");
  EXPECT_FALSE(fs::exists(place / "mayfly-aaaaaa"));
  for (const char* kept : {"mayfly-bbbbbb", "mayfly-cccccc/lock", "mayfly-notours/lock",
                           "precious/lock", "mayfly-dddddd"}) {
    EXPECT_TRUE(fs::exists(place / kept)) << kept;
  }
  living.send(SIGTERM);
  EXPECT_EQ(living.wait().wait_status, SIGTERM);
}

}  // namespace
}  // namespace mayfly::test
