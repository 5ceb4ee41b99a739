// What clients meet in a task that `mayfly run` serves.
#include <cstring>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/descriptor.h"
#include "integration/broker/mayfly_run.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A connection to a task's socket, by somebody who need not speak p11-kit's language.
class Connection {
 public:
  explicit Connection(const BrokerHome& home)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (home.run_folders().at(0) / "socket").string();
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ =
        connect(socket_.number(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  [[nodiscard]] bool connected() const noexcept { return connected_; }
  void send(const std::string& bytes) const {
    ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  /// Waits until the other side has hung up. False if it did not in time.
  [[nodiscard]] bool is_hung_up() const {
    return eventually([this] {
      char byte = 0;
      const ssize_t size = recv(socket_.number(), &byte, 1, MSG_DONTWAIT);
      return size == 0 || (size < 0 && errno == ECONNRESET);
    });
  }

 private:
  Descriptor socket_;
  bool connected_ = false;
};

TEST(RunTask, AKeyOfOneClientIsUsedByTheNext) {
  const BrokerHome home;
  const std::string tool = "pkcs11-tool --module \"$MAYFLY_PKCS11_MODULE\" --token-label t ";
  const std::string folder = home.folder().string();
  const Outcome outcome = run_script(
      home, "t",
      "set -e; cd " + folder + "; " + tool +
          "--keypairgen --key-type EC:prime256v1 --id 01 --label k;"
          "printf %032d 7 > digest;" +
          tool + "--sign -m ECDSA --id 01 -i digest -o signature --signature-format openssl;" +
          tool +
          "--read-object --type pubkey --id 01 -o public;"
          "openssl pkeyutl -verify -pubin -keyform DER -inkey public -in digest -sigfile "
          "signature");
  EXPECT_EQ(outcome.wait_status, 0) << outcome.output << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("Signature Verified Successfully"));
}

TEST(RunTask, ProgramsThatUseP11KitFindTheTokenByTheAddressAlone) {
  const BrokerHome home;
  const Outcome outcome = run_script(
      home, "found", "p11tool --provider \"$MAYFLY_PKCS11_MODULE\" --list-tokens --only-urls");
  EXPECT_THAT(outcome.output, HasSubstr("token=found")) << outcome.errors;
}

TEST(RunTask, TwoTasksAtOnceDontSeeEachOther) {
  const BrokerHome home;
  const std::string script = client("generate") + " && echo made && read line < \"$0\"; " +
                             client("slots") + " && " + client("count");
  // One for each: a pipe that both read may be empty when the second comes.
  const auto first_go = home.folder() / "first-go";
  const auto second_go = home.folder() / "second-go";
  ASSERT_EQ(mkfifo(first_go.c_str(), 0600), 0);
  ASSERT_EQ(mkfifo(second_go.c_str(), 0600), 0);
  MayflyRun first(home, "first", {"/bin/sh", "-c", script, first_go.string()});
  MayflyRun second(home, "second", {"/bin/sh", "-c", script, second_go.string()});
  ASSERT_TRUE(first.says("made")) << first.errors() << first.output();
  ASSERT_TRUE(second.says("made")) << second.errors() << second.output();
  std::ofstream(first_go) << "go\n";
  std::ofstream(second_go) << "go\n";
  EXPECT_EQ(first.wait().output, "made\n1\n1\n");
  EXPECT_EQ(second.wait().output, "made\n1\n1\n");
}

TEST(RunTask, TheEndIsReportedAndLeavesNothingOnTheDevice) {
  const BrokerHome home;
  EXPECT_EQ(run_script(home, "t", client("generate") + ";" + client("generate")).wait_status, 0);
  EXPECT_THAT(home.log(), HasSubstr("task t ended (closed), 2 keys destroyed"));
  EXPECT_EQ(home.token().count_objects(CKO_PRIVATE_KEY), 0U);
  EXPECT_EQ(home.token().count_objects(CKO_PUBLIC_KEY), 0U);
}

TEST(RunTask, AtTheDeadlineTheKeysAreGoneWithinASecondWithoutACall) {
  const BrokerHome home;
  const auto start = std::chrono::steady_clock::now();
  MayflyRun run(home, "t", {"/bin/sh", "-c", client("generate") + "; echo made; exec sleep 600"},
                {{"--ttl=2s"}});
  ASSERT_TRUE(run.says("made")) << run.errors();
  EXPECT_TRUE(eventually([&] {
    return home.log().find("task t ended (expired), 1 keys destroyed") != std::string::npos;
  }));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  EXPECT_GE(taken.count(), 1.9);
  EXPECT_LE(taken.count(), 3.0 + 0.5);  // the task is opened a little after our start
  EXPECT_TRUE(eventually([&] { return !run.errors().empty(); }));
  EXPECT_EQ(run.errors(), "mayfly: task t has reached its deadline; its keys are destroyed\n");
  run.send(SIGTERM);
  EXPECT_TRUE(WIFSIGNALED(run.wait().wait_status));
}

TEST(RunTask, AClientInTheMiddleOfSigningIsCutOffAtTheDeadline) {
  const BrokerHome home;
  const Outcome outcome = run_in_task(
      home, "t", {"/bin/sh", "-c", client("sign-on") + "; " + client("slots") + "; exit 6"},
      {{"--ttl=2s"}});
  EXPECT_EQ(WEXITSTATUS(outcome.wait_status), 6) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("signing\nclient: C_Sign"));
  EXPECT_THAT(outcome.output, HasSubstr("\n0\n"));  // no token any more
}

TEST(RunTask, AnotherUserIsRefusedEvenIfHeReachesTheSocket) {
  if (geteuid() != 0) GTEST_SKIP() << "needs a second user, which root can be";
  const BrokerHome home;
  MayflyRun run(home, "t", {"/bin/sh", "-c", "echo ready; exec sleep 600"});
  ASSERT_TRUE(run.says("ready")) << run.errors();
  const auto folder = home.run_folders().at(0);
  for (const auto& path : {home.folder(), home.runtime_folder(), folder, folder / "socket"}) {
    chmod(path.c_str(), 0777);
  }
  const pid_t other = fork();
  if (other == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(2);
    const Connection connection(home);
    if (!connection.connected()) _exit(3);
    connection.send(std::string(1, '\0'));
    _exit(connection.is_hung_up() ? 0 : 4);
  }
  int status = 0;
  waitpid(other, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(home.log(), HasSubstr("refused a connection of user 65534"));
  run.send(SIGTERM);
  run.wait();
}

TEST(RunTask, TheSocketAndItsFolderAreTheOwnersAlone) {
  const BrokerHome home;
  const Outcome outcome = run_script(home, "t",
                                     "stat -c %a%u $(dirname $MAYFLY_P11_KIT_CONFIG) "
                                     "$(dirname $MAYFLY_P11_KIT_CONFIG)/*");
  const std::string owner = std::to_string(geteuid());
  // Two sockets, two configurations, the lock.
  std::string expected = "700" + owner + "\n";
  for (int i = 0; i < 5; ++i) expected += "600" + owner + "\n";
  EXPECT_EQ(outcome.output, expected);
}

TEST(RunTask, AHundredClientsAtOnceAreServed) {
  const BrokerHome home;
  MayflyRun run(
      home, "t",
      {"/bin/sh", "-c", "for i in $(seq 100); do " + client("hold") + " & done; echo ready; wait"});
  EXPECT_TRUE(eventually([&] {
    const std::string output = run.output();
    std::size_t count = 0;
    for (std::size_t at = output.find("holding"); at != std::string::npos;
         at = output.find("holding", at + 1)) {
      ++count;
    }
    return count == 100;
  })) << run.output()
      << run.errors();
  run.send(SIGTERM);
  run.wait();
  EXPECT_THAT(home.log(), HasSubstr("task t ended (closed), "));
  EXPECT_TRUE(eventually([&] { return home.processes().empty(); }));
}

TEST(RunTask, ClientsOverTheLimitAreRefusedAndTheOthersServed) {
  const BrokerHome home("[limits]\nconnections = 3\n");
  MayflyRun run(
      home, "t",
      {"/bin/sh", "-c", client("hold") + " & " + client("hold") + " & echo ready; exec sleep 600"});
  ASSERT_TRUE(eventually([&] {
    const std::string output = run.output();
    return output.find("holding") != output.rfind("holding");
  })) << run.errors();
  const Connection third(home);
  ASSERT_TRUE(third.connected());
  const Connection fourth(home);
  EXPECT_TRUE(fourth.is_hung_up());
  EXPECT_TRUE(
      eventually([&] { return home.log().find("see limits.connections") != std::string::npos; }));
  run.send(SIGTERM);
  run.wait();
}

TEST(RunTask, AClientThatSaysNothingOrRubbishHarmsNobodyElse) {
  const BrokerHome home;
  const auto go = home.folder() / "go";
  ASSERT_EQ(mkfifo(go.c_str(), 0600), 0);
  MayflyRun run(home, "t",
                {"/bin/sh", "-c",
                 "echo ready; read line < $0; " + client("generate") + " && " + client("count"),
                 go.string()});
  ASSERT_TRUE(run.says("ready")) << run.errors();
  const Connection silent(home);
  const Connection half(home);
  half.send(std::string("\0\0\0", 3));  // the version, and the start of a length
  const Connection text(home);
  text.send("GET / HTTP/1.1\r\n\r\n");
  const Connection huge(home);
  huge.send(std::string("\0", 1) + std::string(12, '\xff') + std::string(4096, 'A'));
  const Connection rubbish(home);  // a message as it should be: number, sizes 0 and 8; then no call
  rubbish.send(std::string("\0\0\0\0\1\0\0\0\0\0\0\0\x8", 13) + std::string(8, '\xff'));
  EXPECT_TRUE(rubbish.is_hung_up());
  EXPECT_TRUE(
      eventually([&] { return home.log().find("a connection was ended") != std::string::npos; }));
  std::ofstream(go) << "go\n";
  EXPECT_EQ(run.wait().output, "ready\n1\n");
  EXPECT_TRUE(silent.is_hung_up());
  EXPECT_TRUE(half.is_hung_up());
  EXPECT_TRUE(text.is_hung_up());
  EXPECT_TRUE(huge.is_hung_up());
}

TEST(RunTask, AClientThatSaysNothingIsHungUpOn) {
  const BrokerHome home;
  MayflyRun run(home, "t", {"/bin/sh", "-c", "echo ready; exec sleep 600"});
  ASSERT_TRUE(run.says("ready")) << run.errors();
  const Connection silent(home);
  EXPECT_TRUE(silent.is_hung_up());
  EXPECT_THAT(home.log(), HasSubstr("said nothing"));
  run.send(SIGTERM);
  run.wait();
}

TEST(RunTask, WhatADeadClientLeftOpenIsCleanedUp) {
  const BrokerHome home;
  const Outcome outcome = run_script(
      home, "t",
      "for i in 1 2 3; do timeout -s KILL 0.3 " + client("hold") + "; done; " + client("count"));
  EXPECT_EQ(outcome.output, "holding\nholding\nholding\n0\n") << outcome.errors;
  EXPECT_THAT(home.log(), HasSubstr("task t ended (closed), 0 keys destroyed"));
  EXPECT_THAT(home.log(), Not(HasSubstr("warning")));
}

TEST(RunTask, ADescriptorThatAChildInheritedKeepsNoKeyAlive) {
  const BrokerHome home;
  // The client's child, which lives on, has the connection's descriptor; the run ends it all.
  MayflyRun run(home, "t", {"/bin/sh", "-c", "(" + client("hold") + " &) ; sleep 0.5; exit 0"});
  EXPECT_EQ(run.wait().wait_status, 0);
  EXPECT_TRUE(eventually([&] { return home.processes().empty(); }));
  EXPECT_THAT(home.log(), HasSubstr("task t ended (closed), 1 keys destroyed"));
}

}  // namespace
}  // namespace mayfly::test
