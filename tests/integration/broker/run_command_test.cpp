// What `mayfly run` is to its command and to whoever started it.
#include <fcntl.h>
#include <signal.h>
#include <sstream>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/broker/mayfly_run.h"

namespace mayfly::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

int exit_status(const Outcome& outcome) {
  return WIFEXITED(outcome.wait_status) ? WEXITSTATUS(outcome.wait_status) : -1;
}

int end_signal(const Outcome& outcome) {
  return WIFSIGNALED(outcome.wait_status) ? WTERMSIG(outcome.wait_status) : -1;
}

/// No folder, no socket, no process is left of any run.
void expect_nothing_left(const BrokerHome& home) {
  EXPECT_THAT(home.run_folders(), IsEmpty());
  EXPECT_TRUE(eventually([&] { return home.processes().empty(); }))
      << testing::PrintToString(home.processes());
}

/// One sentence on standard error, and this exit status; nothing left behind.
void expect_refused(const BrokerHome& home, const Outcome& outcome, int status,
                    const std::string& words) {
  EXPECT_EQ(exit_status(outcome), status) << outcome.errors;
  EXPECT_THAT(outcome.errors, AllOf(StartsWith("mayfly: "), HasSubstr(words)));
  EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
  EXPECT_EQ(outcome.output, "");
  expect_nothing_left(home);
}

TEST(RunCommand, ItsExitStatusIsOurs) {
  const BrokerHome home;
  for (const int status : {0, 1, 7, 255}) {
    EXPECT_EQ(exit_status(run_script(home, "t", "exit " + std::to_string(status))), status);
  }
  expect_nothing_left(home);
}

TEST(RunCommand, TheSignalThatEndedItEndsUs) {
  const BrokerHome home;
  for (const int signal : {SIGTERM, SIGINT, SIGKILL, SIGSEGV, SIGPIPE, SIGUSR1}) {
    const std::string script = "kill -" + std::to_string(signal) + " $$";
    EXPECT_EQ(end_signal(run_script(home, "t", script)), signal);
  }
  expect_nothing_left(home);
}

TEST(RunCommand, SignalsArePassedOn) {
  const BrokerHome home;
  const std::vector<std::pair<int, std::string>> signals = {
      {SIGTERM, "TERM"}, {SIGINT, "INT"},   {SIGHUP, "HUP"},    {SIGQUIT, "QUIT"},
      {SIGUSR1, "USR1"}, {SIGUSR2, "USR2"}, {SIGWINCH, "WINCH"}};
  for (const auto& [number, name] : signals) {
    MayflyRun run(home, "t",
                  {"/bin/bash", "-c",
                   "trap 'echo got " + name + "; exit 3' " + name +
                       "; echo ready; while true; do sleep 0.01; done"});
    ASSERT_TRUE(run.says("ready")) << run.errors();
    run.send(number);
    const Outcome outcome = run.wait();
    EXPECT_EQ(exit_status(outcome), 3) << name;
    EXPECT_THAT(outcome.output, HasSubstr("got " + name));
  }
  expect_nothing_left(home);
}

TEST(RunCommand, ASignalToAllOfOurProcessesReachesTheCommandOnce) {
  const BrokerHome home;
  MayflyRun run(home, "t",
                {"/bin/bash", "-c",
                 "trap 'echo got one' USR1; trap 'exit 3' USR2; echo ready; "
                 "while true; do sleep 0.01; done"});
  ASSERT_TRUE(run.says("ready")) << run.errors();
  kill(run.supervisor(), SIGUSR1);
  // It would be taken before what comes now, were it passed on.
  run.send(SIGUSR1);
  ASSERT_TRUE(run.says("got one"));
  kill(run.supervisor(), SIGUSR1);
  run.send(SIGUSR2);
  const Outcome outcome = run.wait();
  EXPECT_EQ(exit_status(outcome), 3);
  EXPECT_EQ(outcome.output, "ready\ngot one\n");
}

TEST(RunCommand, StopAndContinueArePassedOn) {
  const BrokerHome home;
  MayflyRun run(home, "t", {"/bin/sh", "-c", "echo number $$; exec sleep 100"});
  ASSERT_TRUE(run.says("\n")) << run.errors();
  pid_t command = 0;
  std::istringstream(run.output().substr(7)) >> command;
  const auto is_stopped = [&] {
    return read_file("/proc/" + std::to_string(command) + "/stat").find(") T ") !=
           std::string::npos;
  };
  run.send(SIGTSTP);
  EXPECT_TRUE(eventually(is_stopped));
  run.send(SIGCONT);
  EXPECT_TRUE(eventually([&] { return !is_stopped(); }));
  run.send(SIGTERM);
  EXPECT_EQ(end_signal(run.wait()), SIGTERM);
}

TEST(RunCommand, AnIgnoredSignalStaysIgnored) {
  const BrokerHome home;
  MayflyRun run(home, "t", {"/bin/sh", "-c", "echo ready; sleep 0.3; exit 5"},
                {{}, [] { signal(SIGHUP, SIG_IGN); }});
  ASSERT_TRUE(run.says("ready")) << run.errors();
  run.send(SIGHUP);
  EXPECT_EQ(exit_status(run.wait()), 5);
}

TEST(RunCommand, ArgumentsArriveUnchanged) {
  const BrokerHome home;
  const Outcome outcome = run_in_task(home, "t",
                                      {"/bin/bash", "-c", "printf '<%s>' \"$@\"", "name", "a b", "",
                                       "--", "--task", "[x,y]", "%%", "-h", "run", "$HOME", "\n"});
  EXPECT_EQ(outcome.output, "<a b><><--><--task><[x,y]><%%><-h><run><$HOME><\n>");
}

TEST(RunCommand, ItHasTheDescriptorsThatWeWereGivenAndNoneOfOurs) {
  const BrokerHome home;
  const auto give_descriptor = [] { dup2(open("/dev/zero", O_RDONLY | O_CLOEXEC), 9); };
  const Outcome outcome = run_in_task(home, "t", list_descriptors(), {{}, give_descriptor});
  EXPECT_EQ(outcome.output, "0 1 2 9 \n") << outcome.errors;
}

TEST(RunCommand, AClosedStandardStreamStaysClosed) {
  const BrokerHome home;
  const Outcome outcome =
      run_in_task(home, "t", list_descriptors(), {{}, [] { close(STDIN_FILENO); }});
  EXPECT_EQ(outcome.output, "1 2 \n") << outcome.errors;
}

TEST(RunCommand, ItsEnvironmentNamesTheTaskAndNothingOfTheDevice) {
  const BrokerHome home;
  const Outcome outcome = run_script(home, "my task", "env");
  EXPECT_THAT(outcome.output, HasSubstr("\nMAYFLY_TASK_ID=my task\n"));
  EXPECT_THAT(outcome.output, HasSubstr("P11_KIT_SERVER_ADDRESS=unix:path="));
  EXPECT_THAT(outcome.output, HasSubstr("/p11-kit-client.so\n"));
  EXPECT_THAT(outcome.output, HasSubstr("MAYFLY_P11_KIT_CONFIG=" + home.runtime_folder().string()));
  EXPECT_THAT(outcome.output, Not(HasSubstr("SOFTHSM2_CONF")));
  EXPECT_THAT(outcome.output, Not(HasSubstr("libsofthsm2")));
}

TEST(RunCommand, ThePinIsInNobodysEnvironmentOrArguments) {
  const BrokerHome home;
  MayflyRun run(home, "t", {"/bin/sh", "-c", "echo ready; exec sleep 600"});
  ASSERT_TRUE(run.says("ready")) << run.errors();
  const std::string pin = read_file(home.token().pin_file());
  // A process in the middle of exec(2) shows no environment, so it is not recognised.
  std::vector<int> processes;
  ASSERT_TRUE(eventually([&] {
    processes = home.processes();
    return processes.size() >= 3;
  }));
  for (const int process : processes) {
    const std::string folder = "/proc/" + std::to_string(process);
    EXPECT_THAT(read_file(folder + "/cmdline"), Not(HasSubstr(pin)));
    EXPECT_THAT(read_file(folder + "/environ"), Not(HasSubstr(pin)));
  }
  run.send(SIGTERM);
  run.wait();
}

TEST(RunCommand, APinFromADescriptorReachesTheWorkerAndNotTheCommand) {
  const BrokerHome home;
  const std::string pin_file = home.token().pin_file().string();
  // The low ones are those that mayfly's own would have.
  for (const int number : {3, 4, 5, 6, 7, 8, 99}) {
    const std::string source = "fd:" + std::to_string(number);
    home.configure(source);
    const auto give_pin = [&] {
      const int file = open(pin_file.c_str(), O_RDONLY | O_CLOEXEC);
      if (file == number) fcntl(file, F_SETFD, 0);
      if (dup2(file, number) != number) _exit(98);
    };
    const Outcome outcome = run_in_task(home, "t", list_descriptors(), {{}, give_pin});
    EXPECT_EQ(outcome.output, "0 1 2 \n") << source << outcome.errors;
    expect_refused(home, run_in_task(home, "t", {"true"}), 77, source + " is not open");
  }
}

TEST(RunCommand, TheWorkerCantBeReadAndIsOutOfTheTerminalsReach) {
  const BrokerHome home;
  MayflyRun run(home, "t", {"/bin/sh", "-c", "echo ready; exec sleep 600"});
  ASSERT_TRUE(run.says("ready")) << run.errors();
  const pid_t worker = run.worker();
  ASSERT_GT(worker, 0);
  EXPECT_EQ(getsid(worker), worker);
  const std::string folder = "/proc/" + std::to_string(worker);
  // The kernel gives the files of a process that is not dumpable to root.
  struct stat status {};
  ASSERT_EQ(stat((folder + "/mem").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U);
  EXPECT_THAT(read_file(folder + "/limits"), testing::ContainsRegex("Max core file size +0 +0 "));
  // Signals that are meant for all of a user's processes leave the end to the supervisor.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) kill(worker, signal);
  run.send(SIGTERM);
  EXPECT_EQ(end_signal(run.wait()), SIGTERM);
  EXPECT_THAT(home.log(), Not(HasSubstr("lost")));
}

/// Gives a folder with all that is in it to another user.
void give_away(const std::filesystem::path& folder, uid_t user) {
  ASSERT_EQ(chown(folder.c_str(), user, user), 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    ASSERT_EQ(lchown(entry.path().c_str(), user, user), 0);
  }
}

TEST(RunCommand, NobodyOfTheSameUserCanReadOrTraceOurProcesses) {
  const BrokerHome home;
  // To root, everything belongs to root.
  const uid_t user = geteuid() == 0 ? 65534 : geteuid();
  give_away(home.folder(), user);
  give_away(home.token().config_file().parent_path(), user);
  MayflyRun run(home, "t",
                {"/bin/sh", "-c",
                 "cat /proc/$PPID/environ > /dev/null || echo hidden; echo ready; exec sleep 600"},
                {{}, [user] {
                   if (setgid(user) != 0 || setuid(user) != 0) _exit(98);
                 }});
  ASSERT_TRUE(run.says("ready")) << run.errors();
  EXPECT_EQ(run.output(), "hidden\nready\n");
  for (const pid_t process : {run.guardian(), run.supervisor(), run.worker()}) {
    // The kernel gives the files of a process that is not dumpable to root.
    struct stat status {};
    ASSERT_EQ(stat(("/proc/" + std::to_string(process) + "/mem").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 0U) << process;
  }
  run.send(SIGTERM);
  EXPECT_EQ(end_signal(run.wait()), SIGTERM);
}

TEST(RunCommand, BadRequestsAreRefusedInOneSentenceBeforeAnythingIsMade) {
  const BrokerHome home;
  const std::vector<std::string> command = {"true"};
  expect_refused(home, run_in_task(home, "", command), 64, "task ID is empty");
  expect_refused(home, run_in_task(home, std::string(256, 'x'), command), 64, "256 bytes");
  expect_refused(home, run_in_task(home, "a\nb", command), 64, "control characters");
  expect_refused(home, run_in_task(home, "a\xff", command), 64, "not UTF-8");
  expect_refused(home, run_in_task(home, "t", command, {{"--ttl=0s"}}), 65, "--ttl");
  expect_refused(home, run_in_task(home, "t", command, {{"--ttl=-5m"}}), 65, "--ttl");
  expect_refused(home, run_in_task(home, "t", command, {{"--ttl=99999999999999999999d"}}), 65,
                 "--ttl");
  expect_refused(home, run_in_task(home, "t", command, {{"--ttl=25h"}}), 65, "at most 86400 s");
  expect_refused(home, run_in_task(home, "t", {}), 2, "no command");
  EXPECT_FALSE(std::filesystem::exists(home.runtime_folder()));
}

TEST(RunCommand, ACommandThatCantRunLeavesNothingBehind) {
  const BrokerHome home;
  expect_refused(home, run_in_task(home, "t", {"no-such-command"}), 127, "not found");
  expect_refused(home, run_in_task(home, "t", {"/no/such/command"}), 127, "not found");
  expect_refused(home, run_in_task(home, "t", {home.config_file().string()}), 126,
                 "can't be executed");
  expect_refused(home, run_in_task(home, "t", {"/etc"}), 126, "can't be executed");
}

TEST(RunCommand, ADeviceThatCantBeOpenedIsToldInOneSentence) {
  const BrokerHome home;
  const auto run = [&] { return run_in_task(home, "t", {"/bin/echo", "ran"}); };
  std::ofstream(home.token().pin_file()) << "wrong-pin";
  const Outcome wrong_pin = run();
  EXPECT_THAT(wrong_pin.output, IsEmpty());
  EXPECT_THAT(wrong_pin.errors, AllOf(StartsWith("mayfly: "), Not(HasSubstr("wrong-pin"))));
  EXPECT_GE(exit_status(wrong_pin), 64);
  std::filesystem::remove(home.token().pin_file());
  expect_refused(home, run(), exit_status(run()), "pin");
  std::filesystem::remove(home.config_file());
  EXPECT_EQ(exit_status(run()), 66);
  expect_nothing_left(home);
}

TEST(RunCommand, APlaceThatIsNotSafeIsRefused) {
  const BrokerHome home;
  const auto place = home.runtime_folder();
  std::filesystem::create_directory(place);
  chmod(place.c_str(), 0777);
  expect_refused(home, run_in_task(home, "t", {"true"}), 73, "can be written by others");
  std::filesystem::remove(place);
  std::ofstream(place) << "a file";
  expect_refused(home, run_in_task(home, "t", {"true"}), 73, "is no folder");
  std::filesystem::remove(place);
  home.configure("file:" + home.token().pin_file().string());
}

TEST(RunCommand, ALogThatCantBeWrittenIsRefused) {
  const BrokerHome home;
  std::filesystem::create_directory(home.log_file());
  expect_refused(home, run_in_task(home, "t", {"true"}), 78, "log.file");
}

TEST(RunCommand, TooLongAPlaceForASocketIsRefused) {
  const BrokerHome home;
  const auto place = home.folder() / std::string(90, 'x');
  std::string config = read_file(home.config_file());
  config.replace(config.find(home.runtime_folder().string()), home.runtime_folder().string().size(),
                 place.string());
  std::ofstream(home.config_file()) << config;
  expect_refused(home, run_in_task(home, "t", {"true"}), 73, "too long");
}

TEST(RunCommand, AFullDiskIsToldAndLeavesNothingBehind) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting a small file system needs root";
  const BrokerHome home;
  const auto place = home.runtime_folder();
  std::filesystem::create_directory(place);
  // Few inodes: enough for the folder, not for all that goes into it.
  if (mount("none", place.c_str(), "tmpfs", 0, "nr_inodes=3,mode=0700") != 0) {
    GTEST_SKIP() << "no file system can be mounted here";
  }
  const Outcome outcome = run_in_task(home, "t", {"/bin/echo", "ran"});
  EXPECT_EQ(exit_status(outcome), 74) << outcome.errors;
  EXPECT_THAT(outcome.errors, HasSubstr("No space left"));
  EXPECT_EQ(outcome.output, "");
  EXPECT_THAT(home.run_folders(), IsEmpty());
  umount(place.c_str());
}

TEST(RunCommand, WithoutAConfiguredPlaceTheRuntimeFolderOfTheUserIsTaken) {
  const BrokerHome home;
  std::string config = read_file(home.config_file());
  config.erase(config.find("[broker]"));
  std::ofstream(home.config_file()) << config;
  const std::string folder = home.folder().string();
  const MayflyRun::Options with_folder = {{},
                                          [&] { setenv("XDG_RUNTIME_DIR", folder.c_str(), 1); }};
  EXPECT_THAT(run_in_task(home, "t", {"env"}, with_folder).output,
              HasSubstr("MAYFLY_P11_KIT_CONFIG=" + folder + "/mayfly/mayfly-"));
  const MayflyRun::Options without = {{}, [] { unsetenv("XDG_RUNTIME_DIR"); }};
  EXPECT_THAT(run_in_task(home, "t", {"env"}, without).output,
              HasSubstr("MAYFLY_P11_KIT_CONFIG=/tmp/mayfly-"));
}

TEST(RunCommand, APlaceWithUnusualCharactersWorks) {
  const BrokerHome home;
  std::string config = read_file(home.config_file());
  const std::string place = home.runtime_folder().string();
  config.replace(config.find(place), place.size(), place + " %;ü");
  std::ofstream(home.config_file()) << config;
  const Outcome outcome = run_script(home, "t", client("slots"));
  EXPECT_EQ(outcome.output, "1\n") << outcome.errors;
}

}  // namespace
}  // namespace mayfly::test
