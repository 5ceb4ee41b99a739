// Tasks.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/handle.h"
#include "base/secret.h"
#include "base/task_state.h"
#include "core/allowance.h"
#include "core/object_store.h"
#include "core/offer.h"
#include "core/rate_limit.h"
#include "core/session_key.h"
#include "core/task_policy.h"
#include "device/device.h"

namespace mayfly {

using SlotId = Handle<struct SlotTag>;

/// Checks the PINs that clients of one task give.
class Login {
 public:
  virtual ~Login() = default;
  /// @throws Error CKR_PIN_INCORRECT, or CKR_PIN_LOCKED after too many wrong ones.
  virtual void check(ByteView pin) = 0;
  /// CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY and CKF_USER_PIN_LOCKED, as they are now
  /// (PKCS#11 3.0, 3.2).
  [[nodiscard]] virtual CK_FLAGS token_flags() const noexcept = 0;
};

/// How many keys an end destroyed, and how many the device still owes.
struct EndReport {
  std::size_t destroyed = 0;
  std::size_t pending = 0;

  void add(Destruction outcome) noexcept {
    ++(outcome == Destruction::destroyed ? destroyed : pending);
  }
  void add(const EndReport& other) noexcept {
    destroyed += other.destroyed;
    pending += other.pending;
  }
  /// @throws Error CKR_DEVICE_ERROR if the device still owes the destruction of a key.
  void require_destroyed() const;
};

/// What can be told of a task.
struct TaskStatus {
  TaskState state = TaskState::open;
  std::size_t keys = 0;      ///< key pairs that live now
  CK_FLAGS login_flags = 0;  ///< the flags of CK_TOKEN_INFO that tell of the login
};

/// An application's view of a task, told when the task ends.
class TaskObserver {
 public:
  virtual ~TaskObserver() = default;
  /// @param cause  A final state.
  virtual void task_ended(TaskState cause) noexcept = 0;
};

class TaskKeeper;

/// Task models one unit of an agent's work: the owner of all keys made in it.
///
/// A task ends once, by whatever cause comes first, and never comes back.
class Task {
 public:
  struct Identity {
    std::string id;      ///< 1 to 255 bytes
    std::string serial;  ///< 16 hexadecimal digits
    SlotId slot;
  };

  /// Told once, after the last key was destroyed or is known to be owed.
  using EndListener = std::function<void(const Task&, const EndReport&)>;

  Task(Identity identity, BootClock::time_point deadline, TaskPolicy policy,
       std::unique_ptr<Login> login, std::unique_ptr<TaskKeeper> keeper, Device& device,
       EndListener listener);
  ~Task();
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  [[nodiscard]] const std::string& id() const noexcept { return identity_.id; }
  [[nodiscard]] const std::string& serial() const noexcept { return identity_.serial; }
  [[nodiscard]] SlotId slot() const noexcept { return identity_.slot; }
  /// The token's label: the ID cut at 32 bytes on a character boundary.
  [[nodiscard]] std::string_view label() const noexcept;
  [[nodiscard]] BootClock::time_point deadline() const noexcept { return deadline_; }
  /// The deadline for others: seconds since 1970, rounded up, by the wall clock of when the task
  /// was opened.
  [[nodiscard]] std::uint64_t deadline_unix_s() const noexcept { return deadline_unix_s_; }
  [[nodiscard]] const TaskPolicy& policy() const noexcept { return policy_; }
  [[nodiscard]] Device& device() const noexcept { return device_; }
  [[nodiscard]] Offer offer() const noexcept { return {device_, policy_}; }
  [[nodiscard]] TaskKeeper& keeper() const noexcept { return *keeper_; }
  [[nodiscard]] TaskState state() const noexcept { return state_.load(); }
  [[nodiscard]] std::size_t key_count() const;
  /// Objects with CKA_TOKEN true: they live until the task ends.
  [[nodiscard]] ObjectStore& objects() noexcept { return objects_; }
  /// What all objects of the task share, session objects too.
  [[nodiscard]] ObjectQuota& quota() noexcept { return quota_; }

  /// @throws Error CKR_PIN_INCORRECT or CKR_PIN_LOCKED. Any PIN will do when no login is required.
  void check_pin(ByteView pin);
  /// The flags of CK_TOKEN_INFO that tell of the login.
  [[nodiscard]] CK_FLAGS login_flags() const noexcept;

  /// Whether the task may still be used: it has not ended and its deadline is ahead.
  [[nodiscard]] bool alive(BootClock::time_point now = BootClock::now()) const noexcept {
    return !is_final(state()) && now < deadline_;
  }

  /// A scope of the device for keys of one session.
  [[nodiscard]] std::shared_ptr<KeyScope> open_scope() const;

  /// Makes a key pair that belongs to this task.
  /// A few are made at the same time; the rest wait here, where the task's end finds them.
  /// @throws Error CKR_DEVICE_REMOVED when the task ended meanwhile (a key is destroyed then),
  ///         CKR_DEVICE_MEMORY when as many were made as the policy allows, and what
  ///         KeyScope::generate() gives.
  std::shared_ptr<SessionKey> generate(KeyScope& scope, const KeySpec& spec);

  /// Takes the permission for one signature, which settle_signature() must follow.
  /// @throws Error CKR_FUNCTION_REJECTED when the policy allows no more of them,
  /// CKR_FUNCTION_FAILED
  ///         when it allows none at this moment.
  void permit_signature();
  /// @param made  False if certainly no signature was made: the permission is given back. When the
  ///              last one is used up, the task ends as exhausted, so the caller must not be using
  ///              a key.
  void settle_signature(bool made) noexcept;

  /// Destroys one key now.
  Destruction destroy(const std::shared_ptr<SessionKey>& key) noexcept;

  /// An object that names a key is gone; destroys the key if it was the last.
  Destruction drop_name(const std::shared_ptr<SessionKey>& key) noexcept;

  /// Ends the task: no signature is given out any more, every key is destroyed, also those that
  /// were being made, observers are told.
  /// @param cause  A final state.
  /// @return nothing if the task had ended already, or the cause is no final state.
  std::optional<EndReport> end(TaskState cause) noexcept;

  void add_observer(const std::shared_ptr<TaskObserver>& observer);

 private:
  class Generation;
  class KeyPermit;

  void require_alive() const;
  /// Changes the state, if that may be, and says whether it did. Called with mutex_ locked.
  bool move_to(TaskState next) noexcept;

  const Identity identity_;
  const BootClock::time_point deadline_;
  const std::uint64_t deadline_unix_s_;
  const TaskPolicy policy_;
  const std::unique_ptr<Login> login_;
  const std::unique_ptr<TaskKeeper> keeper_;
  Device& device_;
  const EndListener listener_;
  std::atomic<TaskState> state_{TaskState::open};
  ObjectQuota quota_;
  ObjectStore objects_;
  Allowance generations_allowed_;
  Allowance signatures_allowed_;
  RateLimit signature_rate_;
  mutable std::mutex mutex_;  // guards what follows; nothing is called with it held
  std::unordered_set<std::shared_ptr<SessionKey>> keys_;
  std::size_t generations_ = 0;   // under way
  std::condition_variable turn_;  // for a generation that waits to begin
  std::condition_variable generations_over_;
  EndReport late_;  // of keys that came when the task had ended
  std::vector<std::weak_ptr<TaskObserver>> observers_;
};

}  // namespace mayfly
