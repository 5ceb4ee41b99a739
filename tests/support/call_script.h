// What a faulty module does at which call: every function of the device counted in one sequence.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "base/pkcs11.h"

namespace mayfly::test {

/// The functions of PKCS#11 2.40, by their position in CK_FUNCTION_LIST.
enum class DeviceFunction {
#define CK_PKCS11_FUNCTION_INFO(name) name,
#include <nss/pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
};

[[nodiscard]] inline const char* name_of(DeviceFunction function) {
  static constexpr const char* kNames[] = {
#define CK_PKCS11_FUNCTION_INFO(name) #name,
#include <nss/pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
  };
  return kNames[static_cast<std::size_t>(function)];
}

/// Which of the device's calls are struck, and how. A plan is made while nobody calls the device.
class CallScript {
 public:
  /// What happens at a call that is struck.
  enum class Deed {
    answer,         ///< it answers `answer`
    kill,           ///< the process is killed
    drop_sessions,  ///< the device closes all sessions, and then makes the call
    restart,        ///< the device's library is finalised and initialised, and then makes the call
    spoil,          ///< whatever it gives back is replaced by garbage
  };
  /// Whether that happens before the real call, which is then not made, or after it, when the
  /// device has done the work and the answer is lost.
  enum class When { before, after };
  /// What becomes of numbers that a spoilt call gives back: handles, lengths, counts.
  enum class Garbage { zero, less, more, huge };

  struct Plan {
    unsigned first = 0;  ///< the first call to be struck; calls are counted from 1
    unsigned last = 0;   ///< the last one; 0 for none at all
    Deed deed = Deed::answer;
    When when = When::before;
    CK_RV answer = CKR_DEVICE_ERROR;
    Garbage garbage = Garbage::zero;
    std::optional<DeviceFunction> only{};  ///< if there, nothing but its calls is counted
  };

  static constexpr unsigned kForEver = ~0U;

  /// Counts anew from here on, and strikes as planned.
  void start(const Plan& plan) {
    const std::lock_guard lock(mutex_);
    plan_ = plan;
    calls_ = 0;
    struck_ = 0;
    healthy_ = false;
    started_ = true;
    history_.clear();
    sessions_.clear();
  }
  /// From now on the device is well. What was counted stays.
  void heal() noexcept { healthy_ = true; }

  [[nodiscard]] unsigned calls() const noexcept { return calls_; }
  [[nodiscard]] unsigned struck() const noexcept { return struck_; }
  /// The functions called since start(), in order.
  [[nodiscard]] std::vector<DeviceFunction> history() const {
    const std::lock_guard lock(mutex_);
    return history_;
  }
  /// Sessions opened since start() of which the caller was told.
  [[nodiscard]] std::set<CK_SESSION_HANDLE> sessions() const {
    const std::lock_guard lock(mutex_);
    return sessions_;
  }

  // The module's side ------------------------------------------------------------------------

  /// Counts a call. @return whether it is struck.
  [[nodiscard]] bool strikes(DeviceFunction function) {
    if (!started_) return false;
    const std::lock_guard lock(mutex_);
    history_.push_back(function);
    if (plan_.only && plan_.only != function) return false;
    const unsigned number = ++calls_;
    const bool hit = !healthy_ && number >= plan_.first && number <= plan_.last;
    if (hit) ++struck_;
    return hit;
  }
  [[nodiscard]] const Plan& plan() const noexcept { return plan_; }
  void note_session(CK_SESSION_HANDLE session) {
    const std::lock_guard lock(mutex_);
    sessions_.insert(session);
  }

 private:
  std::atomic<bool> started_{false};
  std::atomic<bool> healthy_{false};
  std::atomic<unsigned> calls_{0};
  std::atomic<unsigned> struck_{0};
  mutable std::mutex mutex_;  // guards what follows
  Plan plan_;
  std::vector<DeviceFunction> history_;
  std::set<CK_SESSION_HANDLE> sessions_;
};

}  // namespace mayfly::test
