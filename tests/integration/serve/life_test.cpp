// How a broker of many tasks, its workers and its tasks begin and end.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "base/descriptor.h"
#include "conformance/process.h"
#include "integration/serve/served_broker.h"
#include "support/environment.h"
#include "support/temp_folder.h"
#include "tools/exit_status.h"
#include "tools/serve/service_manager.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

Descriptor bind_at(const std::filesystem::path& path, int type) {
  const sockaddr_un address = address_of(path);
  Descriptor socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  EXPECT_EQ(bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return socket;
}

/// In the child: where a service manager puts it, and what it says of it.
void pass_as_first(const Descriptor& socket) {
  if (socket.number() == 3) {
    fcntl(3, F_SETFD, 0);
  } else {
    dup2(socket.number(), 3);
  }
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", "1", 1);
}

/// A service manager's ear.
class Ear {
 public:
  explicit Ear(const std::filesystem::path& path)
      : path_(path), socket_(bind_at(path, SOCK_DGRAM)) {
    const timeval patience{20, 0};
    setsockopt(socket_.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// Lets others tell it so much that it takes no more until it has heard some of it.
  void fill() const {
    const sockaddr_un address = address_of(path_);
    const Descriptor other(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    while (sendto(other.number(), "OTHER", 5, 0, reinterpret_cast<const sockaddr*>(&address),
                  sizeof address) == 5) {
    }
    EXPECT_EQ(errno, EAGAIN);
  }

  /// Waits for news that begin so. False if there are none in time.
  [[nodiscard]] bool hears(const std::string& start) const {
    char news[256];
    while (true) {
      const ssize_t size = recv(socket_.number(), news, sizeof news, 0);
      if (size < 0) return false;
      if (std::string(news, static_cast<std::size_t>(size)).starts_with(start)) return true;
    }
  }

 private:
  const std::filesystem::path path_;
  const Descriptor socket_;
};

class ServeLife : public testing::Test {
 protected:
  std::size_t keys_on_device() const {
    return home_.token().count_objects(CKO_PRIVATE_KEY) +
           home_.token().count_objects(CKO_PUBLIC_KEY);
  }

  BrokerHome home_{serve_table()};
};

TEST_F(ServeLife, AKilledWorkersTaskIsLostAndTheOthersGoOn) {
  ServedBroker broker(home_);
  const OpenedTask killed = broker.open("killed");
  const OpenedTask other = broker.open("other");
  const HoldingClient holding(killed);
  const pid_t worker = broker.children().at(0);
  ASSERT_EQ(ServedBroker::client(other, "generate").status, 0);
  kill(worker, SIGKILL);
  EXPECT_TRUE(eventually([&] { return broker.list().size() == 1; }));
  EXPECT_THAT(home_.log(), HasSubstr("task killed is lost"));
  EXPECT_FALSE(std::filesystem::exists(killed.socket()));
  EXPECT_EQ(ServedBroker::client(other, "count").out, "1\n");
}

TEST_F(ServeLife, DeadlinesAreMetWithAWorkerAndWithout) {
  ServedBroker broker(home_);
  const OpenedTask idle = broker.open("idle", {"--ttl", "2s"});
  const OpenedTask busy = broker.open("busy", {"--ttl", "3s"});
  static_cast<void>(broker.open("later", {"--ttl", "1h"}));
  const HoldingClient holding(busy);
  EXPECT_TRUE(eventually([&] { return broker.list().size() == 1; }));
  EXPECT_THAT(broker.list(), UnorderedElementsAre(Pair("later", "open")));
  EXPECT_FALSE(std::filesystem::exists(idle.socket()));
  EXPECT_FALSE(std::filesystem::exists(busy.door));
  EXPECT_THAT(home_.log(), HasSubstr("task idle ended (expired), 0 keys destroyed"));
  EXPECT_THAT(home_.log(), HasSubstr("task busy ended (expired), 1 keys destroyed"));
  EXPECT_TRUE(eventually([&] { return broker.children().empty(); }));
}

TEST_F(ServeLife, AGracefulStopEndsEverythingAndLeavesNothing) {
  ServedBroker broker(home_);
  const OpenedTask busy = broker.open("busy");
  static_cast<void>(broker.open("idle"));
  const HoldingClient holding(busy);
  EXPECT_EQ(broker.stop(), 0) << broker.errors();
  EXPECT_THAT(home_.log(), HasSubstr("task busy ended (closed), 1 keys destroyed"));
  EXPECT_THAT(home_.log(), HasSubstr("task idle ended (closed), 0 keys destroyed"));
  EXPECT_THAT(home_.run_folders(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(home_.folder() / "control"));
}

TEST_F(ServeLife, AKilledBrokersWorkersDieWithItAndTheNextOneClearsUp) {
  const OpenedTask lost = [&] {
    ServedBroker broker(home_);
    const OpenedTask task = broker.open("t");
    const HoldingClient holding(task);
    const pid_t worker = broker.children().at(0);
    broker.send(SIGKILL);
    EXPECT_EQ(broker.wait(), -SIGKILL);
    EXPECT_TRUE(eventually([&] { return kill(worker, 0) != 0; }));
    EXPECT_TRUE(std::filesystem::exists(task.socket()));
    return task;
  }();
  ServedBroker next(home_);
  EXPECT_FALSE(std::filesystem::exists(lost.socket()));
  EXPECT_THAT(home_.run_folders(), testing::SizeIs(1));
  EXPECT_EQ(ServedBroker::client(next.open("t"), "generate").status, 0);
}

TEST_F(ServeLife, APlaceHasOneBroker) {
  const ServedBroker first(home_);
  ServedBroker second(home_, {.prepare = [] {}, .wait = false});
  EXPECT_EQ(second.wait(), tools::kAlreadyExists);
  EXPECT_THAT(second.errors(), HasSubstr("another mayfly serve has"));
  EXPECT_EQ(first.open("t").id, "t");
}

class ServeReload : public ServeLife {
 protected:
  void write_config(const std::string& extra) {
    home_.configure("file:" + home_.token().pin_file().string(), extra);
  }
  void reload_and_expect(const std::string& said) {
    broker_.send(SIGHUP);
    EXPECT_TRUE(eventually([&] { return home_.log().find(said) != std::string::npos; }))
        << home_.log();
  }

  ServedBroker broker_{home_};
};

TEST_F(ServeReload, TakesWhatIsGood) {
  EXPECT_EQ(broker_.mayfly({"open", "--task", "t", "--policy", "new"}).status, tools::kBadPolicy);
  write_config(serve_table() + "[policy.new]\nmax-keys = 1\n");
  reload_and_expect("the configuration was read again");
  const OpenedTask task = broker_.open("t", {"--policy", "new"});
  EXPECT_EQ(ServedBroker::client(task, "generate").status, 0);
  EXPECT_NE(ServedBroker::client(task, "generate").status, 0);
}

TEST_F(ServeReload, KeepsTheOldOneWhereTheNewIsBad) {
  const OpenedTask task = broker_.open("t");
  write_config(serve_table() + "[policy.new\n");
  reload_and_expect("the configuration is not taken, the old one stays");
  EXPECT_EQ(ServedBroker::client(task, "generate").status, 0) << "its worker had none yet";
  // The file is no use to who asks now, but the broker serves as before.
  EXPECT_EQ(broker_.mayfly_as(0, {"open", "--task", "other"}).status, 0);
}

TEST_F(ServeReload, RefusesWhatTasksStandOn) {
  write_config(serve_table() + "[grants]\naudience = \"another\"\n");
  reload_and_expect("grants.audience has changed, which takes a new start of the broker");
}

TEST_F(ServeLife, TellsTheServiceManagerHowItIs) {
  const Ear ear(home_.folder() / "notify");
  ServedBroker broker(home_, {.prepare =
                                  [&] {
                                    setenv("NOTIFY_SOCKET", ear.path().c_str(), 1);
                                    setenv("WATCHDOG_USEC", "100000", 1);
                                  },
                              .wait = false});
  EXPECT_TRUE(ear.hears("READY=1"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ear.hears("WATCHDOG=1"));
  broker.send(SIGHUP);
  EXPECT_TRUE(ear.hears("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_TRUE(ear.hears("READY=1"));
  const OpenedTask task = broker.open("t");
  EXPECT_EQ(ServedBroker::client(task, "generate").status, 0);
  const std::string environment =
      read_file("/proc/" + std::to_string(broker.children().at(0)) + "/environ");
  EXPECT_THAT(environment, testing::Not(HasSubstr("NOTIFY_SOCKET"))) << "it is the broker's alone";
  broker.send(SIGTERM);
  EXPECT_TRUE(ear.hears("STOPPING=1"));
  EXPECT_EQ(broker.wait(), 0);
}

TEST(ServiceManager, HearsWhatMattersWhenItHasTime) {
  const TempFolder folder;
  const Ear ear(folder.path() / "notify");
  ear.fill();
  const ScopedVariable variable("NOTIFY_SOCKET", ear.path().string());
  const serve::ServiceManager manager;
  std::atomic<pid_t> number{0};
  std::jthread teller([&] {
    number = gettid();
    number.notify_one();
    manager.tell("READY=1");
  });
  number.wait(0);
  await_sleep(number);
  EXPECT_TRUE(ear.hears("READY=1"));
}

TEST(ServiceManager, IsNotWaitedForByTheWatchdog) {
  const TempFolder folder;
  const Ear ear(folder.path() / "notify");
  ear.fill();
  const ScopedVariable variable("NOTIFY_SOCKET", ear.path().string());
  const serve::ServiceManager manager;
  const auto begin = std::chrono::steady_clock::now();
  manager.tell_alive();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, serve::ServiceManager::kPatience);
}

TEST_F(ServeLife, TakesTheSocketThatIsPassed) {
  const Descriptor socket = bind_at(home_.folder() / "control", SOCK_SEQPACKET);
  ASSERT_EQ(listen(socket.number(), 16), 0);
  ServedBroker broker(home_, {.prepare = [&] { pass_as_first(socket); }, .wait = true});
  EXPECT_EQ(broker.open("t").id, "t");
  EXPECT_EQ(broker.stop(), 0);
  EXPECT_TRUE(std::filesystem::exists(home_.folder() / "control")) << "it is not the broker's";
}

TEST_F(ServeLife, RefusesAPassedSocketOfAnotherKind) {
  const Descriptor socket = bind_at(home_.folder() / "other", SOCK_STREAM);
  ASSERT_EQ(listen(socket.number(), 16), 0);
  ServedBroker broker(home_, {.prepare = [&] { pass_as_first(socket); }, .wait = false});
  EXPECT_EQ(broker.wait(), tools::kBadConfiguration);
}

TEST_F(ServeLife, ADeviceThatCanNotBeOpenedIsTriedAgainAtTheNextConnection) {
  home_.configure("file:missing-pin", serve_table());
  ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  EXPECT_NE(ServedBroker::client(task, "generate").status, 0);
  EXPECT_TRUE(eventually(
      [&] { return home_.log().find("task t can't be worked on") != std::string::npos; }));
  EXPECT_THAT(broker.list(), UnorderedElementsAre(Pair("t", "open")));
  std::filesystem::copy_file(home_.token().pin_file(), home_.folder() / "missing-pin");
  EXPECT_TRUE(eventually([&] { return ServedBroker::client(task, "generate").status == 0; }));
}

class ServeStored : public testing::Test {
 protected:
  std::size_t keys_on_device() const {
    return home_.token().count_objects(CKO_PRIVATE_KEY) +
           home_.token().count_objects(CKO_PUBLIC_KEY);
  }

  BrokerHome home_{serve_table(), BrokerHome::Keys::stored};
};

TEST_F(ServeStored, TheKeysOfAKilledWorkerAreDestroyed) {
  ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
  EXPECT_EQ(keys_on_device(), 2U);
  kill(broker.children().at(0), SIGKILL);
  EXPECT_TRUE(eventually([&] {
    try {
      return keys_on_device() == 0;
    } catch (const std::runtime_error&) {  // SoftHSM2, which another process is just writing to
      return false;
    }
  }));
  EXPECT_THAT(broker.list(), IsEmpty());
}

TEST_F(ServeStored, CloseDestroysThem) {
  ServedBroker broker(home_);
  const OpenedTask task = broker.open("t");
  ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
  EXPECT_EQ(broker.ask({"close", "--task", "t"}).at("destroyed"), 1);
  EXPECT_EQ(keys_on_device(), 0U);
}

}  // namespace
}  // namespace mayfly::test
