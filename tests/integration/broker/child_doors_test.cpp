// Sockets that an agent passes, and shares with the worker.
#include "tools/broker/child_doors.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>

#include <gtest/gtest.h>

#include "support/failure_of.h"
#include "support/temp_folder.h"

namespace mayfly::broker {
namespace {

using std::chrono::milliseconds;

class NoDoor final : public FrontDoor {
 public:
  [[nodiscard]] std::string serve(int, const ucred&) override { return {}; }
  [[nodiscard]] bool ends_with_peer() const noexcept override { return false; }
};

class ChildDoorsTest : public ::testing::Test {
 protected:
  Descriptor listen(int type = SOCK_SEQPACKET) {
    address_.sun_family = AF_UNIX;
    const std::string path = (folder_.path() / ("door" + std::to_string(++count_))).string();
    path.copy(address_.sun_path, sizeof address_.sun_path - 1);
    Descriptor socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(socket.number(), reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    EXPECT_EQ(::listen(socket.number(), 8), 0);
    return socket;
  }
  Descriptor connect(int type = SOCK_SEQPACKET) {
    Descriptor socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    static_cast<void>(
        ::connect(socket.number(), reinterpret_cast<sockaddr*>(&address_), sizeof address_));
    return socket;
  }
  static Descriptor copy_of(const Descriptor& socket) {
    return Descriptor(fcntl(socket.number(), F_DUPFD_CLOEXEC, 0));
  }
  bool has_news(milliseconds patience) {
    pollfd entry{doors_.descriptor(), POLLIN, 0};
    return poll(&entry, 1, static_cast<int>(patience.count())) == 1;
  }
  CK_RV add(Descriptor socket, int type = SOCK_SEQPACKET) {
    return test::answer_of([&] { static_cast<void>(doors_.add(std::move(socket), type, door_)); });
  }

  test::TempFolder folder_;
  int count_ = 0;
  sockaddr_un address_{};
  std::shared_ptr<FrontDoor> door_ = std::make_shared<NoDoor>();
  ChildDoors doors_;
};

TEST_F(ChildDoorsTest, TakeLocalSocketsThatListenAndNothingElse) {
  EXPECT_EQ(add(Descriptor()), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(add(Descriptor(open("/dev/null", O_RDWR | O_CLOEXEC))), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(add(Descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0))),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(add(listen(SOCK_STREAM)), CKR_ARGUMENTS_BAD);
  Descriptor inet(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::listen(inet.number(), 1), 0);
  EXPECT_EQ(add(std::move(inet), SOCK_STREAM), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(add(listen()), CKR_OK);
}

TEST_F(ChildDoorsTest, HandOverWhoComes) {
  ASSERT_EQ(add(listen()), CKR_OK);
  const Descriptor client = connect();
  ASSERT_TRUE(has_news(milliseconds(10'000)));
  const auto accepted = doors_.take();
  ASSERT_EQ(accepted.size(), 1U);
  EXPECT_EQ(accepted[0].door, door_);
  EXPECT_FALSE(has_news(milliseconds(0)));
}

TEST_F(ChildDoorsTest, EndThoughAnAgentTakesTheConnectionsAway) {
  Descriptor socket = listen();
  const Descriptor shared = copy_of(socket);
  ASSERT_EQ(add(std::move(socket)), CKR_OK);
  // In some round the accept comes too late, and waits for a connection that never comes.
  for (int round = 0; round < 300; ++round) {
    const Descriptor client = connect();
    fcntl(shared.number(), F_SETFL, fcntl(shared.number(), F_GETFL) | O_NONBLOCK);
    const Descriptor stolen(accept4(shared.number(), nullptr, nullptr, SOCK_CLOEXEC));
    fcntl(shared.number(), F_SETFL, fcntl(shared.number(), F_GETFL) & ~O_NONBLOCK);
    static_cast<void>(doors_.take());
  }
  doors_.close();
  EXPECT_EQ(add(listen()), CKR_FUNCTION_FAILED);
}

TEST_F(ChildDoorsTest, DontWatchWhatWasRemoved) {
  Descriptor socket = listen();
  const Descriptor shared = copy_of(socket);
  const auto name = doors_.add(std::move(socket), SOCK_SEQPACKET, door_);
  doors_.remove(name);
  const Descriptor client = connect();
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  EXPECT_FALSE(has_news(milliseconds(500)));
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_utime.tv_sec * 1'000'000 + after.ru_utime.tv_usec +
                after.ru_stime.tv_sec * 1'000'000 + after.ru_stime.tv_usec -
                before.ru_utime.tv_sec * 1'000'000 - before.ru_utime.tv_usec -
                before.ru_stime.tv_sec * 1'000'000 - before.ru_stime.tv_usec,
            250'000)
      << "microseconds of processor time in half a second";
}

}  // namespace
}  // namespace mayfly::broker
