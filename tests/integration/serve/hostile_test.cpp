// The control socket of a broker of many tasks, and those who mean it no good.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "base/descriptor.h"
#include "integration/serve/served_broker.h"
#include "tools/exit_status.h"
#include "tools/serve/control_client.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;

Descriptor connect_to(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const timeval patience{20, 0};
  setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return {};
  }
  return socket;
}

/// What a request is answered; empty if the broker hangs up.
std::string answer_to(const Descriptor& socket, const std::string& request) {
  if (send(socket.number(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  std::string answer(256 * 1024, '\0');
  const ssize_t size = recv(socket.number(), answer.data(), answer.size(), 0);
  answer.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return answer;
}

/// Does something in a child that is another user.
int as_stranger(const std::function<int()>& body, uid_t user = kStranger) {
  const pid_t child = fork();
  if (child == 0) {
    if (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0) _exit(98);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

const std::string kHead = R"({"format":"mayfly-control","version":1,)";

class ServeHostile : public testing::Test {
 protected:
  void expect_service() const { EXPECT_EQ(broker_.mayfly({"list"}).status, 0); }

  BrokerHome home_{serve_table()};
  ServedBroker broker_{home_};
};

TEST_F(ServeHostile, WhatIsNoRequestIsRefused) {
  for (const std::string& request : std::vector<std::string>{
           "x",
           "{}",
           "[]",
           "null",
           "\"open\"",
           std::string(1, '\0'),
           std::string(30'000, '['),
           std::string(32 * 1024, ' '),
           "\xef\xbb\xbf" + kHead + R"("do":"list"})",
           R"({"format":"mayfly-control","version":2,"do":"list","ended_too":false,"after":0})",
           kHead + R"("do":"list"})",
           kHead + R"("do":"list","ended_too":0,"after":0})",
           kHead + R"("do":"list","ended_too":false,"after":-1})",
           kHead + R"("do":"list","ended_too":false,"after":1e300})",
           kHead + R"("do":"list","ended_too":false,"after":0,"more":1})",
           kHead + R"("do":"list","do":"list","ended_too":false,"after":0})",
           kHead + R"("do":"end","task":"t"})",
           kHead + R"("do":"close"})",
           kHead + R"("do":"close","task":"t","serial":"0123456789abcdef"})",
           kHead + R"("do":"close","serial":"0123456789ABCDEF"})",
           kHead + R"("do":"close","task":""})",
           kHead + R"("do":"open","task":7})",
           kHead + R"("do":"open","task":"t","ttl":99999999999})",
           kHead + R"("do":"open","task":"t","user":4294967295})",
           kHead + R"("do":"open","task":"t","grant":""})",
           kHead + R"("do":"open","task":"t","grant":")" + std::string(9'000, 'x') + "\"}",
           kHead + R"("do":"revoke","what":"all","value":"x","reason":"y"})",
           kHead + R"("do":"revoke","what":"everything","reason":"y"})",
           kHead + R"("do":"revoke","what":"all"})",
           kHead + R"("do":"revoke","what":"all","reason":""})"}) {
    const Descriptor socket = connect_to(broker_.socket());
    const std::string answer = answer_to(socket, request);
    ASSERT_FALSE(answer.empty()) << request;
    EXPECT_EQ(nlohmann::json::parse(answer).at("status"), static_cast<int>(tools::kUsage))
        << request << answer;
  }
  EXPECT_THAT(broker_.list(), testing::IsEmpty());
}

TEST_F(ServeHostile, WhatIsTooLongEndsTheConnection) {
  const Descriptor socket = connect_to(broker_.socket());
  EXPECT_EQ(answer_to(socket, std::string(32 * 1024 + 1, ' ')), "");
  EXPECT_THAT(home_.log(), HasSubstr("too long for a request"));
  expect_service();
}

TEST_F(ServeHostile, AStrangerWhoTakesManyConnectionsKeepsNobodyOut) {
  EXPECT_EQ(as_stranger([&] {
              std::vector<Descriptor> held;
              for (int i = 0; i < 500; ++i) held.push_back(connect_to(broker_.socket()));
              int served = 0;
              for (const Descriptor& socket : held) {
                if (!answer_to(socket, "x").empty()) ++served;
              }
              return served;
            }),
            8);
  std::vector<Descriptor> held;
  for (int i = 0; i < 60; ++i) held.push_back(connect_to(broker_.socket()));
  expect_service();
}

TEST_F(ServeHostile, WhoDoesNotReadIsHungUpOnAndKeepsNobodyWaiting) {
  for (int i = 0; i < 100; ++i) static_cast<void>(broker_.open("t" + std::to_string(i)));
  const std::string request = kHead + R"("do":"list","ended_too":false,"after":0})";
  const Descriptor deaf = connect_to(broker_.socket());
  ASSERT_TRUE(eventually([&] {
    for (int i = 0; i < 50; ++i) {
      if (send(deaf.number(), request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
          errno != EAGAIN) {
        return true;
      }
    }
    return false;
  }));
  EXPECT_THAT(home_.log(), HasSubstr("it does not read its answers"));
  expect_service();
}

TEST_F(ServeHostile, WhoSaysNothingIsHungUpOn) {
  const Descriptor silent = connect_to(broker_.socket());
  char byte = 0;
  EXPECT_EQ(recv(silent.number(), &byte, 1, 0), 0);
  EXPECT_THAT(home_.log(), HasSubstr("it said nothing for long"));
}

TEST_F(ServeHostile, WhoGoesBeforeTheAnswerTakesNothingWithHim) {
  for (int i = 0; i < 60; ++i) {
    const Descriptor socket = connect_to(broker_.socket());
    const std::string request = kHead + R"("do":"open","task":"gone )" + std::to_string(i) + "\"}";
    ASSERT_GT(send(socket.number(), request.data(), request.size(), MSG_NOSIGNAL), 0);
  }
  EXPECT_TRUE(eventually([&] { return broker_.list().size() == 60; }))
      << "they are open, and end by their deadline";
  EXPECT_EQ(broker_.ask({"revoke", "--all", "--reason", "x"}).at("more"), 10);
}

TEST_F(ServeHostile, DescriptorsThatAreSentAreNotTaken) {
  const Descriptor socket = connect_to(broker_.socket());
  const std::string folder = "/proc/" + std::to_string(broker_.process()) + "/fd";
  const auto count = [&] {
    return std::distance(std::filesystem::directory_iterator(folder),
                         std::filesystem::directory_iterator());
  };
  const std::string request = kHead + R"("do":"list","ended_too":false,"after":0})";
  ASSERT_NE(answer_to(socket, request), "");
  const auto before = count();
  char text = 'x';
  iovec part{&text, 1};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  packet.msg_control = room;
  packet.msg_controllen = sizeof room;
  cmsghdr* const header = CMSG_FIRSTHDR(&packet);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int passed = socket.number();
  std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
  ASSERT_EQ(sendmsg(socket.number(), &packet, MSG_NOSIGNAL), 1);
  char answer[4096];
  ASSERT_GT(recv(socket.number(), answer, sizeof answer, 0), 0);
  EXPECT_EQ(count(), before);
}

TEST_F(ServeHostile, AThousandTasksAreOpenedAndListedAndCostLittle) {
  const auto memory = [&] {
    std::ifstream file("/proc/" + std::to_string(broker_.process()) + "/statm");
    std::size_t all = 0;
    std::size_t resident = 0;
    file >> all >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  };
  static_cast<void>(broker_.open("first"));
  const std::size_t before = memory();
  auto client = serve::ControlClient::connect(broker_.socket());
  ASSERT_TRUE(client);
  serve::ControlRequest request;
  request.verb = serve::Verb::open;
  for (int i = 0; i < 1'000; ++i) {
    request.task = "task " + std::to_string(i);
    ASSERT_EQ(client->ask(request).at("status"), 0);
  }
  const std::size_t each = (memory() - before) / 1'000;
  std::cout << each << " bytes of the broker's memory for an idle task\n";
  EXPECT_LT(each, 64U * 1024);
  EXPECT_EQ(broker_.list().size(), 1'001U);
  EXPECT_EQ(broker_.stop(), 0);
  EXPECT_THAT(home_.run_folders(), testing::IsEmpty());
}

/// A broker that asks a program, which says yes, but not to a "slow" task before it is told to.
class ServeApproval : public testing::Test {
 protected:
  ServeApproval() {
    std::ofstream(folder_.path() / "ask")
        << "case \"$(cat)\" in *slow*) until [ -e " << decided().string()
        << " ]; do sleep 0.1; done ;; esac\n";
  }

  [[nodiscard]] std::filesystem::path decided() const { return folder_.path() / "decided"; }
  /// Asks for so many slow tasks, one after the other, and waits for no answer.
  void ask_and_go(uid_t user, int tasks) {
    EXPECT_EQ(as_stranger(
                  [&] {
                    for (int i = 0; i < tasks; ++i) {
                      const Descriptor socket = connect_to(broker_.socket());
                      const std::string request = kHead + R"("do":"open","task":"slow )" +
                                                  std::to_string(user) + ' ' + std::to_string(i) +
                                                  "\"}";
                      if (send(socket.number(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
                        return 1;
                      }
                    }
                    return 0;
                  },
                  user),
              0);
  }
  [[nodiscard]] int open_quick(uid_t user) const {
    return broker_.mayfly_as(user, {"open", "--task", "quick " + std::to_string(user)}).status;
  }

  TempFolder folder_;
  BrokerHome home_{serve_table("users = [54321, 54322, 54323]\n") +
                   "[approval]\ntimeout = \"5m\"\ncommand = \"/bin/sh " +
                   (folder_.path() / "ask").string() + "\"\n"};
  ServedBroker broker_{home_};
};

TEST_F(ServeApproval, OpeningsThatWaitForAPersonKeepNobodyElseOut) {
  ask_and_go(54'321, 8);
  ask_and_go(54'322, 8);
  EXPECT_EQ(open_quick(54'321), tools::kTryAgain) << "he has hung up, but is asked about still";
  EXPECT_EQ(open_quick(54'322), tools::kTryAgain);
  EXPECT_EQ(open_quick(54'323), 0);
  EXPECT_EQ(open_quick(0), 0);
  EXPECT_EQ(broker_.list().size(), 2U);
  std::ofstream(decided()) << "yes";
  EXPECT_TRUE(eventually([&] { return broker_.list().size() == 18U; }));
  EXPECT_EQ(open_quick(54'321), 0);
}

TEST_F(ServeApproval, NoRevocationPassesAnOpeningBy) {
  ask_and_go(54'321, 2);
  const Outcome one = broker_.mayfly({"revoke", "--task", "slow 54321 0", "--reason", "stolen"});
  EXPECT_EQ(one.status, tools::kTryAgain) << one.out << one.err;
  EXPECT_THAT(one.out + one.err, HasSubstr("1 openings are under way"));
  std::ofstream(decided()) << "yes";
  EXPECT_TRUE(eventually([&] { return broker_.list().size() == 1; }));
  EXPECT_TRUE(broker_.list().contains("slow 54321 1"));
  EXPECT_TRUE(eventually([&] {
    return home_.log().find("task slow 54321 0 was revoked while it was being opened") !=
           std::string::npos;
  }));
  std::filesystem::remove(decided());
  ask_and_go(54'322, 2);
  EXPECT_EQ(broker_.mayfly({"revoke", "--all", "--reason", "stolen"}).status, tools::kTryAgain);
  ask_and_go(54'323, 1);
  std::ofstream(decided()) << "yes";
  EXPECT_TRUE(eventually([&] { return broker_.list().size() == 1; })) << "asked for later";
  EXPECT_TRUE(broker_.list().contains("slow 54323 0"));
}

}  // namespace
}  // namespace mayfly::test
