// Others see which tasks and keys live: in the files that `mayfly serve` keeps.
#include <fstream>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "base/clock.h"
#include "integration/serve/listed_broker.h"
#include "tools/serve/line_socket.h"
#include "tools/serve/signing_process.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;

class ServeLiveness : public testing::Test {
 protected:
  static std::uint64_t place_of(const ServedBroker& broker, const OpenedTask& task) {
    return broker.ask({"show", "--task", task.id}).at(0).at("status_list").at("idx");
  }

  /// The broker's process that signs lists.
  static pid_t signing_process(const ServedBroker& broker) {
    for (const pid_t child : broker.children()) {
      const std::string command = read_file("/proc/" + std::to_string(child) + "/cmdline");
      if (command.find("sign-lists") != std::string::npos) return child;
    }
    return -1;
  }

  ListedHome home_;
};

TEST_F(ServeLiveness, ATaskIsInTheListWhenOpenReturnsAndNotWhenCloseDoes) {
  const ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  const OpenedTask other = broker.open("other");
  const std::uint64_t place = place_of(broker, task);
  EXPECT_TRUE(home_.seems_alive(place));
  EXPECT_EQ(home_.list().uri, ListedHome::kUri);
  EXPECT_EQ(home_.list().issuer, "spiffe://agents.example");
  EXPECT_EQ(home_.list().ttl, std::chrono::seconds(30));
  EXPECT_LE(home_.list().expires, unix_now_s() + 60);
  EXPECT_EQ(broker.mayfly({"close", "--task", "t"}).status, 0);
  EXPECT_FALSE(home_.seems_alive(place));
  EXPECT_TRUE(home_.seems_alive(place_of(broker, other)));
  EXPECT_EQ(broker.mayfly({"revoke", "--all", "--reason", "drill"}).status, 0);
  EXPECT_FALSE(home_.seems_alive(2)) << "the second task of the registry";
}

TEST_F(ServeLiveness, AnEndIsNotReportedBeforeOthersSeeIt) {
  const ServedBroker broker(home_);
  using std::chrono::seconds, std::chrono::steady_clock;
  const auto begin = steady_clock::now();
  const OpenedTask closed = broker.open("closed");
  const std::uint64_t place_of_closed = place_of(broker, closed);
  // It must live until no more can be signed, however slow the machine is: so long as to do the
  // same again would take several times.
  const auto ttl = std::chrono::ceil<seconds>(8 * (steady_clock::now() - begin));
  const OpenedTask expired = broker.open("expired", {"--ttl", std::to_string(ttl.count()) + "s"});
  const std::uint64_t place_of_expired = place_of(broker, expired);
  // Nothing can be signed any more, so that nothing can be flipped in passing.
  const pid_t signing = signing_process(broker);
  ASSERT_GT(signing, 0);
  kill(signing, SIGSTOP);
  EXPECT_EQ(broker.mayfly({"close", "--task", "closed"}).status, 0);
  EXPECT_FALSE(home_.seems_alive(place_of_closed));
  EXPECT_TRUE(eventually(
      [&] {
        const auto shown = broker.ask({"show", "--task", "expired"}).at(0);
        const bool is_reported = shown.at("state") == "expired";
        EXPECT_FALSE(is_reported && home_.seems_alive(place_of_expired));
        return is_reported;
      },
      ttl + seconds(20)));
  // It comes back with another process.
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(home_.list_file()); }));
  EXPECT_THAT(home_.log(), HasSubstr("there is no status list now"));
  const OpenedTask next = broker.open("next");
  EXPECT_TRUE(home_.seems_alive(place_of(broker, next)));
}

TEST_F(ServeLiveness, AListThatCanBeNeitherReplacedNorRemovedIsTold) {
  const ServedBroker broker(home_);
  static_cast<void>(broker.open("t"));
  // In the place of each file something that is no file.
  for (const char* name : {"status.jwt", "keys.json"}) {
    std::filesystem::remove(home_.list_folder() / name);
    std::filesystem::create_directories(home_.list_folder() / name / "in the way");
  }
  const Outcome closed = broker.mayfly({"close", "--task", "t"});
  EXPECT_EQ(closed.status, 75);
  EXPECT_THAT(closed.err, HasSubstr("could be neither replaced nor removed"));
}

TEST_F(ServeLiveness, AfterAKilledBrokerNothingSeemsToLive) {
  std::uint64_t place = 0;
  {
    ServedBroker broker(home_);
    const OpenedTask task = broker.open("t");
    place = place_of(broker, task);
    const HoldingClient holding(task);
    EXPECT_TRUE(eventually([&] { return home_.published_keys() == 1; }));
    broker.send(SIGKILL);
    EXPECT_EQ(broker.wait(), -SIGKILL);
  }
  EXPECT_TRUE(home_.seems_alive(place)) << "else the rest shows nothing";
  const ServedBroker next(home_);
  static_cast<void>(next.list());  // it answers, so that it has begun
  EXPECT_FALSE(home_.seems_alive(place));
  EXPECT_EQ(home_.published_keys(), 0);
}

TEST_F(ServeLiveness, TheKeySetHasTheKeysThatLive) {
  const ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
  {
    const HoldingClient holding(task);
    EXPECT_TRUE(eventually([&] { return home_.published_keys() == 2; }));
    EXPECT_EQ(credential::parse_key_set(read_file(home_.list_folder() / "keys.json")).size(), 2);
  }
  EXPECT_TRUE(eventually([&] { return home_.published_keys() == 1; }))
      << "a session's key goes with it";
  EXPECT_EQ(broker.mayfly({"close", "--task", "t"}).status, 0);
  EXPECT_EQ(home_.published_keys(), 0);
}

// A broker that is behind misses that some keys are made: all the less may it miss that others are
// gone.
TEST_F(ServeLiveness, NoKeyStaysPublishedForABrokerThatWasBehind) {
  const ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  const HoldingClient flooding(task, {"flood", "400", std::to_string(broker.process())});
  for (std::size_t made = 1; made <= 3; ++made) {  // so that it has caught up
    ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
    EXPECT_TRUE(eventually([&] { return home_.published_keys() == made; }))
        << home_.published_keys() << " keys are said to live, and " << made << " do";
  }
}

TEST_F(ServeLiveness, NoTaskTakesAllPlacesOfTheKeySet) {
  const ServedBroker broker(home_);
  const HoldingClient greedy(broker.open("greedy"), {"many", "260"});
  EXPECT_TRUE(eventually([&] { return home_.published_keys() == 256; }));
  ASSERT_EQ(ServedBroker::client(broker.open("modest"), "generate").status, 0);
  EXPECT_TRUE(eventually([&] { return home_.published_keys() == 257; }))
      << home_.published_keys() << " keys";
}

TEST_F(ServeLiveness, AVerifierThatLooksRefusesFromTheEndOn) {
  const ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
  const std::filesystem::path wit = home_.folder() / "wit";
  const std::filesystem::path keys = home_.folder() / "keys.json";
  std::ofstream(keys) << home_.mayfly({"issuer", "show", "--jwks"}).out;
  const Outcome issued = run({MAYFLY_PROGRAM, "credential", "issue", "--type", "wit", "--out",
                              wit.string(), "--config", home_.config_file().string()},
                             {{"MAYFLY_SOCKET", task.door}});
  ASSERT_EQ(issued.status, 0) << issued.err;
  const auto verify = [&] {
    return run({MAYFLY_PROGRAM, "token", "verify", wit.string(), "--keys", keys.string(),
                "--no-proof", "--status", home_.list_file().string()});
  };
  EXPECT_EQ(verify().status, 0) << verify().err;
  EXPECT_EQ(broker.mayfly({"close", "--task", "t"}).status, 0);
  const Outcome refused = verify();
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("(credential, revoked)"));
}

TEST_F(ServeLiveness, ABrokerThatCanNotSignDoesNotStart) {
  std::filesystem::remove(home_.folder() / "issuer-key.pem");
  std::ofstream(home_.list_file()) << "an old one";
  ServedBroker broker(home_, {.prepare = [] {}, .wait = false});
  EXPECT_NE(broker.wait().value_or(0), 0);
  EXPECT_THAT(broker.errors(), HasSubstr("issuer-key.pem"));
  EXPECT_FALSE(std::filesystem::exists(home_.list_file()));
}

/// The process that signs lists, met as the broker meets it.
class Signing : public testing::Test {
 protected:
  Signing() {
    auto [ours, theirs] = serve::LineSocket::make_pair();
    const std::string parent = std::to_string(getpid());
    process_ = fork();
    if (process_ == 0) {
      const int socket = dup(theirs.descriptor());  // not closed by exec
      execl(MAYFLY_PROGRAM, "mayfly", "status", "sign-lists", "--socket",
            std::to_string(socket).c_str(), "--broker", parent.c_str(), "--config",
            home_.config_file().c_str(), nullptr);
      _exit(99);
    }
    socket_ = std::move(ours);
  }
  ~Signing() override {
    socket_.close();
    EXPECT_EQ(waitpid(process_, nullptr, 0), process_) << "it ends with the broker's end";
  }

  std::string ask(const std::string& line) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    EXPECT_TRUE(socket_.send(line, deadline));
    return socket_.receive(serve::kMostSigningLine, deadline).value_or("no answer");
  }

  /// A request for a list of one task.
  static std::string request(std::uint64_t issued_at, std::uint64_t expires) {
    serve::ListRequest request{issued_at, expires, credential::StatusList(1)};
    request.list.set(0, credential::Status::valid);
    return request.text();
  }

  ListedHome home_;
  serve::LineSocket socket_;
  pid_t process_ = -1;
};

TEST_F(Signing, OnlyListsOfNowAreSignedAndNoneThatLiveLong) {
  const std::uint64_t now = unix_now_s();
  EXPECT_TRUE(ask(request(now, now + 60)).starts_with("ey"));
  for (const std::string& refused : {
           request(now - 3600, now + 30),    // of an hour ago
           request(now + 3600, now + 3630),  // of the future, when its tasks may have ended
           request(now, now + 3600),
           std::string("{}"),
           std::string(R"({"iat":1,"exp":2,"lst":"eNrbuRgAAhcBXQ","cnf":{}})"),
           std::string(R"({"iss":"spiffe://agents.example","sub":"spiffe://agents.example/x"})"),
           std::string("\xff\xfe"),
           std::string(),
       }) {
    EXPECT_TRUE(ask(refused).starts_with("!")) << refused;
  }
  EXPECT_TRUE(ask(request(now, now + 60)).starts_with("ey")) << "it goes on";
}

}  // namespace
}  // namespace mayfly::test
