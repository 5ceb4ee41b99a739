// What the tests of a process's life share: a client's whole life, and many threads of one.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "conformance/fixture.h"
#include "conformance/process.h"

namespace mayfly::test {

/// How often a test does what ends differently from time to time.
[[nodiscard]] inline int repetitions(int in_release) {
  const int wanted = kSanitized ? std::max(3, in_release / 10) : in_release;
  const char* const rounds = std::getenv("MAYFLY_TEST_ROUNDS");
  // The knob counts from 200, which is what the kill tests do.
  return rounds == nullptr || kSanitized ? wanted
                                         : std::max(1, in_release * std::atoi(rounds) / 200);
}

/// Threads that do the same over and over until they are stopped.
class Crowd {
 public:
  /// @param act  Called with the thread's number; again and again as long as it gives true.
  Crowd(int threads, const std::function<bool(int)>& act) : act_(act) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this, i] {
        ++running_;
        while (!stop_ && act_(i)) {
        }
      });
    }
    while (running_ < threads) std::this_thread::yield();
  }
  ~Crowd() { stop(); }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  /// Waits until the threads have ended by themselves.
  void wait() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  const std::function<bool(int)> act_;
  std::atomic<bool> stop_{false};
  std::atomic<int> running_{0};
  std::vector<std::thread> threads_;
};

/// Tests that begin with a module that is not initialised.
class LifeTest : public ConformanceTest {
 protected:
  using ConformanceTest::ConformanceTest;

  /// Initialises with a task, makes a key in a session of its own and signs with it.
  void begin_life(const std::string& task) {
    ASSERT_RV(CKR_OK, initialize(task));
    slot_ = only_slot();
    session_ = open_session();
    pair_ = generate(session_, kP256);
    EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  KeyPair pair_;
};

}  // namespace mayfly::test
