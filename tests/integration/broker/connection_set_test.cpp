// Connections that end while the device does not answer.
#include "tools/broker/connection_set.h"

#include <array>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "compose/library.h"
#include "integration/broker/broker_home.h"
#include "support/faulty_module.h"
#include "tools/broker/p11kit_door.h"

namespace mayfly::broker {
namespace {

using std::chrono::milliseconds;
using test::BrokerHome;
using test::FaultyModule;

/// The switches of the copy that this process has loaded as a device.
FaultyModule& faulty_module() {
  void* const library = dlopen(MAYFLY_FAULTY_MODULE, RTLD_NOW | RTLD_LOCAL);
  return *static_cast<FaultyModule*>(dlsym(library, "faulty_module"));
}

Descriptor listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(bind(socket.number(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(socket.number(), 5), 0);
  return socket;
}

/// A connection of this process.
int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return socket;
}

/// The test's client, in a process of its own.
pid_t start_client(const std::string& socket, const char* action) {
  const pid_t child = fork();
  if (child == 0) {
    setenv("P11_KIT_SERVER_ADDRESS", ("unix:path=" + socket).c_str(), 1);
    execl(MAYFLY_TEST_CLIENT, "client", MAYFLY_P11KIT_MODULES "/p11-kit-client.so", "t", action,
          "200", nullptr);
    _exit(99);
  }
  return child;
}

/// A task over the faulty module, in this process, and its socket.
struct Served {
  Served() : library(make_config()) {
    signal(SIGPIPE, SIG_IGN);
    library.tasks().open({"t", std::chrono::minutes(5)});
  }

  [[nodiscard]] Config make_config() const {
    Config config = Config::load(home.config_file());
    config.device.module = MAYFLY_FAULTY_MODULE;
    return config;
  }
  [[nodiscard]] std::string path() const { return (home.folder() / "socket").string(); }
  void serve_next() {
    connections.serve(Descriptor(accept4(listening.number(), nullptr, nullptr, SOCK_CLOEXEC)),
                      door);
  }

  const BrokerHome home;
  Library library;
  const Descriptor listening = listen_at(path());
  P11kitDoor door{library.tasks(), 4};
  ConnectionSet connections{{.connections = 16}};
};

TEST(ConnectionSet, ClientsAreServedAtTheSameTime) {
  Served task;
  static constexpr int kClients = 8;
  std::vector<pid_t> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(start_client(task.path(), "time"));
    task.serve_next();
  }
  for (const pid_t client : clients) {
    int status = -1;
    waitpid(client, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(task.connections.shut_down(std::chrono::seconds(20)));
  task.library.close();
}

/// Says that a connection has ended.
class TellingDoor final : public FrontDoor {
 public:
  explicit TellingDoor(int told) : told_(told) {}
  std::string serve(int socket, const ucred&) override {
    char byte = 0;
    while (recv(socket, &byte, 1, 0) > 0) {
    }
    EXPECT_EQ(write(told_, "e", 1), 1);
    return {};
  }
  [[nodiscard]] bool ends_with_peer() const noexcept override { return true; }

 private:
  const int told_;
};

/// Serves one connection, in a PID namespace from which its client can't be seen, where one is to
/// be had. Never returns.
void serve_from_a_namespace(int listening, int told) {
  const bool apart = unshare(CLONE_NEWPID) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0;
  const pid_t inside = apart ? fork() : 0;
  if (inside > 0) {
    waitpid(inside, nullptr, 0);
    _exit(0);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  TellingDoor door(told);
  ConnectionSet connections{{.connections = 1}};
  connections.serve(Descriptor(accept4(listening, nullptr, nullptr, SOCK_CLOEXEC)), door);
  while (true) {
    std::array<pollfd, 2> entries{
        {{connections.finished(), POLLIN, 0}, {connections.dead_peers(), POLLIN, 0}}};
    poll(entries.data(), entries.size(), -1);
    if (entries[0].revents != 0) connections.reap();
    if (entries[1].revents != 0) connections.hang_up_on_dead();
  }
}

bool kernel_knows_peers() {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const Descriptor one(ends[0]);
  const Descriptor other(ends[1]);
  int number = -1;
  socklen_t size = sizeof number;
  constexpr int kPeerPidfd = 77;  // SO_PEERPIDFD
  if (getsockopt(one.number(), SOL_SOCKET, kPeerPidfd, &number, &size) != 0) return false;
  close(number);
  return true;
}

TEST(ConnectionSet, AClientOfAnotherNamespaceIsWatchedToo) {
  const BrokerHome home;
  const std::string path = (home.folder() / "socket").string();
  const Descriptor listening = listen_at(path);
  int told[2];
  ASSERT_EQ(pipe2(told, O_CLOEXEC), 0);
  const Descriptor reading(told[0]);
  Descriptor writing(told[1]);
  const pid_t server = fork();
  if (server == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve_from_a_namespace(listening.number(), writing.number());
  }
  writing.reset();
  // A client, and a child of it that holds the connection when the client is gone.
  int heir[2];
  ASSERT_EQ(pipe(heir), 0);
  const pid_t client = fork();
  if (client == 0) {
    const int socket = connect_to(path);
    if (write(socket, "h", 1) != 1) _exit(1);
    const pid_t child = fork();
    if (child == 0) {
      while (true) pause();
    }
    _exit(write(heir[1], &child, sizeof child) == sizeof child ? 0 : 1);
  }
  pid_t holder = -1;
  ASSERT_EQ(read(heir[0], &holder, sizeof holder), static_cast<ssize_t>(sizeof holder));
  int status = 0;
  ASSERT_EQ(waitpid(client, &status, 0), client);
  EXPECT_EQ(status, 0);
  if (!kernel_knows_peers()) kill(holder, SIGKILL);  // then only the end of the connection counts
  pollfd entry{reading.number(), POLLIN, 0};
  EXPECT_EQ(poll(&entry, 1, 60'000), 1) << "the connection lives though its client is gone";
  char byte = 0;
  EXPECT_EQ(read(reading.number(), &byte, 1), 1) << "the server died";
  kill(holder, SIGKILL);
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
  close(heir[0]);
  close(heir[1]);
}

TEST(ConnectionSet, ACallThatHangsInTheDeviceIsNotWaitedForForever) {
  Served task;
  FaultyModule& device = faulty_module();

  const pid_t client = start_client(task.path(), "sign-on");
  task.serve_next();
  ASSERT_TRUE(test::eventually([&] { return device[test::Call::sign].calls > 3; }));
  device.hold_signing = true;
  ASSERT_TRUE(test::eventually([&] { return device.held > 0; }));
  EXPECT_FALSE(task.connections.shut_down(milliseconds(100)));

  device.hold_signing = false;
  EXPECT_TRUE(task.connections.shut_down(std::chrono::seconds(20)));
  task.library.close();
  kill(client, SIGKILL);
  waitpid(client, nullptr, 0);
}

}  // namespace
}  // namespace mayfly::broker
