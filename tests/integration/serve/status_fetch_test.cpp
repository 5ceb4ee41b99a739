// A relying party that looks for itself: `mayfly token verify` fetches the list that `mayfly serve`
// serves, from where the credential says.
#include <arpa/inet.h>
#include <fstream>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>

#include <gmock/gmock.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "integration/serve/listed_broker.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;

/// A port that nobody uses now. The kernel gives it to nobody soon who does not ask for it.
std::string free_port() {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  auto* const address = reinterpret_cast<sockaddr*>(&where);
  if (bind(socket.number(), address, size) != 0 ||
      getsockname(socket.number(), address, &size) != 0) {
    throw std::runtime_error("no port");
  }
  return std::to_string(ntohs(where.sin_port));
}

class ServeStatusFetch : public testing::Test {
 protected:
  /// A credential of a task's key, and the issuer's keys.
  void issue(const OpenedTask& task) const {
    std::ofstream(home_.folder() / "keys.json") << home_.mayfly({"issuer", "show", "--jwks"}).out;
    const Outcome issued =
        run({MAYFLY_PROGRAM, "credential", "issue", "--type", "wit", "--out",
             (home_.folder() / "wit").string(), "--config", home_.config_file().string()},
            {{"MAYFLY_SOCKET", task.door}});
    ASSERT_EQ(issued.status, 0) << issued.err;
  }

  [[nodiscard]] Outcome verify(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {MAYFLY_PROGRAM, "token",
                                      "verify",       (home_.folder() / "wit").string(),
                                      "--keys",       (home_.folder() / "keys.json").string(),
                                      "--no-proof"};
    words.insert(words.end(), more.begin(), more.end());
    // Who asks this machine itself asks no proxy.
    return run(words, {{"http_proxy", "http://127.0.0.1:1"}, {"no_proxy", std::nullopt}});
  }

  const std::string port_ = free_port();
  const ListedHome home_{"listen = \"127.0.0.1:" + port_ + "\"\n",
                         "http://127.0.0.1:" + port_ + "/status.jwt"};
};

TEST_F(ServeStatusFetch, ATaskIsBelievedUntilCloseReturnsAndNotWithoutTheBroker) {
  ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
  issue(task);
  EXPECT_EQ(verify().status, 0) << verify().err;
  // Whoever waits longer than the list holds, here for its ttl of 30 s.
  const Outcome stale = verify({"--at", std::to_string(unix_now_s() + 45)});
  EXPECT_EQ(stale.status, 1);
  EXPECT_THAT(stale.err, HasSubstr("(status-list, stale-status)"));

  ASSERT_EQ(broker.mayfly({"close", "--task", "t"}).status, 0);
  const Outcome ended = verify();
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("(credential, revoked)"));

  ASSERT_EQ(broker.stop(), 0);
  const Outcome nobody = verify();
  EXPECT_EQ(nobody.status, 1);
  EXPECT_THAT(nobody.err, HasSubstr("(status-list, unreachable)"));
}

TEST_F(ServeStatusFetch, WithoutAListNobodyIsBelieved) {
  const ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
  issue(task);
  ASSERT_EQ(verify().status, 0);
  // It can't be written any more, and is taken away.
  std::filesystem::remove_all(home_.list_folder());
  ASSERT_EQ(broker.mayfly({"close", "--task", "t"}).status, 0);
  const Outcome refused = verify();
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("HTTP status 503"));
}

}  // namespace
}  // namespace mayfly::test
