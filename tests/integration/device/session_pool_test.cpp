// Who gets a session, and when.
#include "device/pkcs11/session_pool.h"

#include <map>
#include <set>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "support/raw_module.h"
#include "support/softhsm_token.h"

namespace mayfly::pkcs11 {
namespace {

using test::RawModule;
using test::SoftHsmToken;

class SessionPoolTest : public testing::Test {
 protected:
  SoftHsmToken token_;
  RawModule module_{SoftHsmToken::module_path()};
  CK_SLOT_ID slot_ = module_.slot_of(token_.label());
};

/// A lease that can be given back before the end of the block.
std::unique_ptr<SessionPool::Lease> lend(SessionPool& sessions) {
  return std::unique_ptr<SessionPool::Lease>(new SessionPool::Lease(sessions.lend()));
}

/// Whether a thread of this process waits for something, as the kernel tells.
bool is_asleep(pid_t thread) {
  const std::string status = test::read_file("/proc/self/task/" + std::to_string(thread) + "/stat");
  const std::size_t name_end = status.rfind(") ");
  return name_end != std::string::npos && status[name_end + 2] == 'S';
}

TEST_F(SessionPoolTest, ServesWaitingThreadsInTheOrderOfTheirComing) {
  SessionPool sessions(module_.functions(), slot_, 2);
  auto first = lend(sessions);
  auto second = lend(sessions);
  std::mutex mutex;
  std::vector<int> order;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 5; ++i) {
    std::atomic<pid_t> id{0};
    threads.emplace_back([&, i] {
      id = gettid();
      const SessionPool::Lease lease = sessions.lend();
      const std::lock_guard lock(mutex);
      order.push_back(i);
    });
    while (id == 0 || !is_asleep(id)) std::this_thread::yield();
  }
  first.reset();
  threads.clear();
  EXPECT_THAT(order, testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(SessionPoolTest, ASessionThatClosesMakesRoomForAWaitingThread) {
  SessionPool sessions(module_.functions(), slot_, 2);
  const SessionPool::Lease lent = sessions.lend();
  const auto holder = sessions.holder();
  std::atomic<pid_t> id{0};
  std::atomic<CK_SESSION_HANDLE> got{CK_INVALID_HANDLE};
  std::jthread thread([&] {
    id = gettid();
    const SessionPool::Lease lease = sessions.lend();
    got = lease.session().handle;
  });
  while (id == 0 || !is_asleep(id)) std::this_thread::yield();
  EXPECT_EQ(got, CK_INVALID_HANDLE);
  EXPECT_EQ(sessions.close(*holder), CKR_OK);
  thread.join();
  EXPECT_NE(got, CK_INVALID_HANDLE);
  EXPECT_NE(got, holder->handle);
}

TEST_F(SessionPoolTest, KeepsAQuarterForSigning) {
  SessionPool sessions(module_.functions(), slot_, 8);
  std::set<CK_SESSION_HANDLE> holders;
  for (int i = 0; i < 20; ++i) {
    const auto holder = sessions.holder();
    ++holder->keys;
    holders.insert(holder->handle);
  }
  EXPECT_EQ(holders.size(), 6U);
  const SessionPool::Lease one = sessions.lend();
  const SessionPool::Lease two = sessions.lend();
  EXPECT_EQ(token_.count_sessions(), 8U);
}

TEST_F(SessionPoolTest, SpreadsSharersEvenly) {
  SessionPool sessions(module_.functions(), slot_, 4);
  std::map<CK_SESSION_HANDLE, int> uses;
  for (int i = 0; i < 12; ++i) {
    const auto holder = sessions.holder();
    ++holder->keys;
    ++uses[holder->handle];
  }
  ASSERT_EQ(uses.size(), 3U);
  for (const auto& [handle, count] : uses) EXPECT_EQ(count, 4);
}

TEST_F(SessionPoolTest, TurnsAnIdleSignerIntoAHolderWhenThereIsNoOtherRoom) {
  SessionPool sessions(module_.functions(), slot_, 2);
  {
    const SessionPool::Lease one = sessions.lend();
    const SessionPool::Lease two = sessions.lend();
  }
  EXPECT_EQ(token_.count_sessions(), 2U);
  const auto holder = sessions.holder();
  EXPECT_EQ(token_.count_sessions(), 2U);
  const SessionPool::Lease signer = sessions.lend();
  EXPECT_NE(signer.session().handle, holder->handle);
}

TEST_F(SessionPoolTest, KeepsABoundedNumberOfIdleSessions) {
  SessionPool sessions(module_.functions(), slot_, 0);
  {
    std::vector<std::unique_ptr<SessionPool::Lease>> leases;
    for (int i = 0; i < 40; ++i) {
      leases.push_back(lend(sessions));
    }
    EXPECT_EQ(token_.count_sessions(), 40U);
  }
  EXPECT_EQ(token_.count_sessions(), 16U);
}

}  // namespace
}  // namespace mayfly::pkcs11
