// Connections that end while the device does not answer.
#include "tools/broker/connection_set.h"

#include <dlfcn.h>
#include <signal.h>
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
