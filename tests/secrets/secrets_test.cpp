// Where the device's PIN, a task's login PIN and private keys are in memory, and where they are
// not.
//
// Whoever may not read a process's memory at all, as another user may not the worker's, has that as
// the result.
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <signal.h>
#include <sstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/broker/hostile_client.h"
#include "integration/broker/mayfly_run.h"
#include "secrets/client_driver.h"
#include "secrets/key_search.h"
#include "secrets/process_memory.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr std::size_t kKeys = 24;  // of secret_client's "make"

/// A machine whose tasks want a login, with PINs that are nowhere else in the world.
class SecretsTest : public testing::Test {
 protected:
  SecretsTest()
      : login_pin_("login-pin-" + std::to_string(getpid()) + "-of-a-task"),
        login_file_(folder_.write("login", login_pin_)),
        home_("[login]\nrequired = true\npin-source = \"file:" + login_file_.string() + "\"\n"),
        device_pin_(read_file(home_.token().pin_file())) {}

  /// Nothing of the secrets is in the process, whatever it is doing.
  void expect_innocent(const char* who, pid_t process, const std::vector<Bytes>& points) const {
    SCOPED_TRACE(who);
    expect_nowhere(process, device_pin_);
    expect_no_keys(process, points);
  }

  static void expect_nowhere(pid_t process, const std::string& secret) {
    const auto places = places_of(process, secret);
    if (places) {
      EXPECT_THAT(*places, IsEmpty());
    } else {
      EXPECT_NE(geteuid(), 0U) << "root may look everywhere";
    }
  }

  static void expect_no_keys(pid_t process, const std::vector<Bytes>& points) {
    const auto found = private_keys_in(process, points);
    if (found) {
      EXPECT_THAT(*found, IsEmpty()) << "of " << points.size();
    } else {
      EXPECT_NE(geteuid(), 0U) << "root may look everywhere";
    }
  }

  /// The only place of a secret is memory that is locked, left out of core dumps, and wiped in
  /// forked children.
  static void expect_guarded(pid_t process, const std::string& secret) {
    const auto places = places_of(process, secret);
    if (!places) {
      EXPECT_NE(geteuid(), 0U) << "root may look everywhere";
      return;
    }
    ASSERT_THAT(*places, SizeIs(1));
    const std::string flags =
        flags_of(process, places->front().substr(0, places->front().find(' ')));
    for (const char* flag : {" lo", " dd", " wf"}) EXPECT_THAT(flags, HasSubstr(flag));
  }

  /// The kernel's flags of the mapping that begins at an address.
  static std::string flags_of(pid_t process, const std::string& address) {
    std::ifstream file("/proc/" + std::to_string(process) + "/smaps");
    bool here = false;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(address + "-")) here = true;
      if (here && line.starts_with("VmFlags:")) return line;
    }
    return {};
  }

  const TempFolder folder_;
  const std::string login_pin_;
  const fs::path login_file_;
  const BrokerHome home_;
  const std::string device_pin_;
};

/// A secret_client inside of `mayfly run`.
class BrokeredSecretsTest : public SecretsTest {
 protected:
  void start(const MayflyRun::Options& options = {}) {
    run_ =
        std::make_unique<MayflyRun>(home_, "t",
                                    std::vector<std::string>{"/bin/sh", "-c",
                                                             "echo $$; exec " MAYFLY_SECRET_CLIENT
                                                             " \"$MAYFLY_PKCS11_MODULE\" t " +
                                                                 driver_.fifo().string()},
                                    options);
    driver_.await_ready();
    std::istringstream(run_->output()) >> client_;
    worker_ = run_->worker();
    ASSERT_GT(client_, 0);
    ASSERT_GT(worker_, 0);
  }

  std::unique_ptr<MayflyRun> run_;
  ClientDriver driver_{[this] { return run_->output(); }};
  pid_t client_ = -1;
  pid_t worker_ = -1;
};

TEST_F(BrokeredSecretsTest, TheDevicesPinAndPrivateKeysAreInNoProcessOfARun) {
  start();
  driver_.step("login", login_pin_);
  for (const char* step : {"make", "sign", "destroy", "close", "finalize"}) {
    SCOPED_TRACE(step);
    driver_.step(step);
    const auto points = driver_.points();
    ASSERT_THAT(points, SizeIs(kKeys));
    expect_innocent("supervisor", run_->supervisor(), points);
    expect_innocent("client", client_, points);
    // SoftHSM2 keeps a key encrypted while it is at rest, so that not even the worker has it.
    expect_innocent("worker", worker_, points);
  }
  driver_.step("leave");
  EXPECT_EQ(run_->wait().wait_status, 0);
  for (const std::string& pin : {device_pin_, login_pin_}) {
    EXPECT_THAT(home_.log(), Not(HasSubstr(pin)));
  }
}

TEST_F(BrokeredSecretsTest, SigningBringsNoKeyOutOfTheWorker) {
  start();
  driver_.step("login", login_pin_);
  driver_.step("make");
  driver_.step("sign-on");
  for (int i = 0; i < 5; ++i) {
    expect_innocent("supervisor", run_->supervisor(), driver_.points());
    expect_innocent("client", client_, driver_.points());
    expect_nowhere(worker_, device_pin_);
  }
  kill(client_, SIGKILL);
  EXPECT_EQ(run_->wait().wait_status, SIGKILL);
}

TEST_F(BrokeredSecretsTest, TheLoginPinIsInGuardedMemoryOfTheWorkerOnly) {
  start();
  expect_guarded(worker_, login_pin_);
  expect_nowhere(run_->supervisor(), login_pin_);
  expect_nowhere(client_, login_pin_);
  driver_.step("leave");
  run_->wait();
}

TEST_F(BrokeredSecretsTest, MessagesLeaveNothingInTheWorkersMemory) {
  start();
  HostileClient client(home_.run_folders().at(0) / "socket");
  const CK_SESSION_HANDLE session = client.open_session();
  const auto login = [&](std::size_t too_many) {
    return HostileClient::message(RpcCallNumber::login, "uuay", [&](broker::RpcWriter& writer) {
      writer.ulong(session);
      writer.ulong(CKU_USER);
      writer.byte(1);
      writer.string(as_bytes(login_pin_));
      for (std::size_t i = 0; i < too_many; ++i) writer.byte(0);
    });
  };
  const auto seed = [&](std::size_t size) {
    return HostileClient::message(
        RpcCallNumber::seed_random, "uay", [&](broker::RpcWriter& writer) {
          writer.ulong(session);
          writer.byte(1);
          writer.string(as_bytes(login_pin_ + std::string(size, 'x') + login_pin_ + "."));
        });
  };
  // A message that is read with the one before it is moved: to larger buffers, and within one.
  const auto send_both = [&](Bytes first, const Bytes& second) {
    first.insert(first.end(), second.begin(), second.end() - 1);
    ASSERT_TRUE(client.send(first));
    ASSERT_TRUE(client.receive());
    ASSERT_TRUE(client.send(ByteView(second).last(1)));
  };
  for (const auto& message : {login(0), login(1), login(9'000), login(0)}) {
    ASSERT_TRUE(client.send(message));
    ASSERT_TRUE(client.receive());
    expect_guarded(worker_, login_pin_);
  }
  for (const std::size_t size : {1'000U, 100'000U}) {
    send_both(login(0), seed(size));
    ASSERT_TRUE(client.receive());
    expect_guarded(worker_, login_pin_);
  }
  client.close();
  driver_.step("leave");
  run_->wait();
}

// A descriptor of the supervisor's can be opened again by each process of its user.
TEST_F(BrokeredSecretsTest, NoProcessKeepsTheDescriptorOfThePin) {
  home_.configure("fd:7");
  const std::string pin_file = home_.token().pin_file().string();
  MayflyRun run(home_, "t", {"/bin/sh", "-c", "echo up; exec sleep 600"},
                {{}, [&] { dup2(open(pin_file.c_str(), O_RDONLY | O_CLOEXEC), 7); }});
  ASSERT_TRUE(run.says("up")) << run.errors();
  const fs::path folder = "/proc/" + std::to_string(run.supervisor());
  struct stat status {};
  ASSERT_EQ(stat((folder / "mem").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U) << "other processes of the user can reach into the supervisor";
  std::error_code refused;
  for (const auto& entry : fs::directory_iterator(folder / "fd", refused)) {
    std::error_code closed;  // meanwhile: one that is kept is here again
    EXPECT_NE(fs::read_symlink(entry.path(), closed), pin_file);
  }
  EXPECT_EQ(static_cast<bool>(refused), geteuid() != 0U) << refused.message();
  run.send(SIGTERM);
  run.wait();
}

/// A secret_client that loads the module itself.
class InProcessSecretsTest : public SecretsTest {
 protected:
  void start() {
    client_ = fork();
    if (client_ == 0) {
      dup2(open(output_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), STDOUT_FILENO);
      setenv("MAYFLY_CONF", home_.config_file().c_str(), 1);
      setenv("MAYFLY_TASK", "t", 1);
      execl(MAYFLY_SECRET_CLIENT, MAYFLY_SECRET_CLIENT, MAYFLY_MODULE_PATH, "t",
            driver_.fifo().c_str(), nullptr);
      _exit(99);
    }
    driver_.await_ready();
  }
  ~InProcessSecretsTest() override {
    if (client_ <= 0) return;
    kill(client_, SIGKILL);
    waitpid(client_, nullptr, 0);
  }

  const fs::path output_ = folder_.path() / "output";
  ClientDriver driver_{[this] { return fs::exists(output_) ? read_file(output_) : ""; }};
  pid_t client_ = -1;
};

TEST_F(InProcessSecretsTest, TheDevicesPinIsGoneOnceItHasLoggedIn) {
  start();
  expect_nowhere(client_, device_pin_);
  expect_guarded(client_, login_pin_);
  driver_.step("login", login_pin_);
  for (const char* step : {"make", "sign", "destroy", "close"}) {
    SCOPED_TRACE(step);
    driver_.step(step);
    expect_innocent("client", client_, driver_.points());
  }
  expect_guarded(client_, login_pin_);
  driver_.step("finalize");
  expect_nowhere(client_, login_pin_);
  driver_.step("leave");
}

}  // namespace
}  // namespace mayfly::test
