// Tasks.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
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
#include "core/task_origin.h"
#include "core/task_policy.h"
#include "core/use_meter.h"
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
  BootClock::time_point deadline = BootClock::time_point::max();
};

/// An application's view of a task, told when the task ends.
class TaskObserver {
 public:
  virtual ~TaskObserver() = default;
  /// A key pair was made, which nobody has yet.
  virtual void key_made(const PublicKey& /*key*/) noexcept {}
  /// A key pair can't be used any more, before the task's end.
  virtual void key_destroyed(const PublicKey& /*key*/) noexcept {}
  /// @param cause  A final state.
  virtual void task_ended(TaskState cause) noexcept = 0;
};

class Task;
class TaskKeeper;
class TaskLedger;
struct LedgerPlace;

/// What a task is, as it is decided before there is one.
struct TaskPlan {
  std::string id;      ///< 1 to 255 bytes
  std::string serial;  ///< 16 hexadecimal digits
  BootClock::time_point deadline;
  std::uint64_t deadline_unix_s = 0;  ///< the same for others: seconds since 1970, rounded up
  TaskPolicy policy;
  TaskOrigin origin = {};
  bool awaits_grant = false;  ///< whether it makes no keys before a login brings a grant
};

/// What a plan's deadline is by the wall clock as it is now.
[[nodiscard]] std::uint64_t on_the_wall(BootClock::time_point deadline) noexcept;

/// TaskOwner is told what becomes of its tasks.
class TaskOwner {
 public:
  virtual ~TaskOwner() = default;

  /// Told once, when a task has made its first key.
  virtual void task_active(const Task& task) noexcept = 0;
  /// Told once, after the last key was destroyed or is known to be owed.
  virtual void task_ended(const Task& task, const EndReport& report) noexcept = 0;
  /// A login brought what may be the grant, or the ticket, that a task awaits; the task's ledger
  /// is told of what it allows, and Task::confine() is called with it.
  /// @throws Error CKR_PIN_INCORRECT or CKR_PIN_EXPIRED.
  virtual void admit(Task& task, ByteView grant) = 0;
};

/// Task models one unit of an agent's work: the owner of all keys made in it.
///
/// A task ends once, by whatever cause comes first, and never comes back.
class Task {
 public:
  /// @param login   What checks PINs; may be null when no PIN is ever required.
  /// @param parent  The task above; null for none. adopt() it there.
  /// @param owner   Outlives the task's end.
  Task(TaskPlan plan, SlotId slot, std::unique_ptr<Login> login, std::unique_ptr<TaskKeeper> keeper,
       Device& device, std::shared_ptr<Task> parent, TaskOwner& owner);
  ~Task();
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  [[nodiscard]] const std::string& id() const noexcept { return plan_.id; }
  [[nodiscard]] const std::string& serial() const noexcept { return plan_.serial; }
  [[nodiscard]] SlotId slot() const noexcept { return slot_; }
  /// The task above; null for none.
  [[nodiscard]] const std::shared_ptr<Task>& parent() const noexcept { return parent_; }
  /// The token's label: the ID cut at 32 bytes on a character boundary.
  [[nodiscard]] std::string_view label() const noexcept;
  /// Only ever moves closer.
  [[nodiscard]] BootClock::time_point deadline() const noexcept { return terms().deadline; }
  /// The deadline for others: seconds since 1970, rounded up, by the wall clock of when the task
  /// was opened.
  [[nodiscard]] std::uint64_t deadline_unix_s() const noexcept { return terms().deadline_unix_s; }
  /// Only ever gets tighter.
  [[nodiscard]] const TaskPolicy& policy() const noexcept { return terms().policy; }
  [[nodiscard]] const TaskOrigin& origin() const noexcept { return terms().origin; }
  /// Whether it makes no keys before a login brings a grant.
  [[nodiscard]] bool awaits_grant() const noexcept { return terms().awaits_grant; }
  /// Whether clients must log in before they see private keys.
  [[nodiscard]] bool login_required() const noexcept {
    return policy().login_required || awaits_grant();
  }
  [[nodiscard]] Device& device() const noexcept { return device_; }
  [[nodiscard]] Offer offer() const noexcept { return {device_, policy()}; }
  [[nodiscard]] TaskKeeper& keeper() const noexcept { return *keeper_; }
  [[nodiscard]] TaskState state() const noexcept { return state_.load(); }
  [[nodiscard]] std::size_t key_count() const;
  /// Objects with CKA_TOKEN true: they live until the task ends.
  [[nodiscard]] ObjectStore& objects() noexcept { return objects_; }
  /// What all objects of the task share, session objects too.
  [[nodiscard]] ObjectQuota& quota() noexcept { return quota_; }

  /// @throws Error CKR_PIN_INCORRECT, CKR_PIN_EXPIRED or CKR_PIN_LOCKED. Any PIN will do when no
  ///         login is required.
  void check_pin(ByteView pin);
  /// The flags of CK_TOKEN_INFO that tell of the login.
  [[nodiscard]] CK_FLAGS login_flags() const noexcept;

  /// Whether the task may still be used: neither it nor one above it has ended, and its deadline,
  /// which is not behind theirs, is ahead.
  [[nodiscard]] bool alive(BootClock::time_point now = BootClock::now()) const noexcept;

  /// Shared with the tasks below.
  [[nodiscard]] UseMeter& meter() const noexcept { return *meter_; }

  /// Begins the task's ledger. To be called before others see the task, or never.
  /// @throws Error CKR_FUNCTION_FAILED when it can't be written.
  void keep_ledger(const LedgerPlace& place);
  /// Writes nothing where none is kept.
  [[nodiscard]] TaskLedger& ledger() const noexcept { return *ledger_; }

  /// Has a task that awaits its grant go on under what that allows. It can be done once.
  /// @param plan  Its deadline is no later and its policy no wider than the task's.
  void confine(TaskPlan plan);

  /// Takes in a task below: it ends before this one does.
  /// @throws Error CKR_DEVICE_REMOVED when this one has ended.
  void adopt(const std::shared_ptr<Task>& child);

  /// A scope of the device for keys of one session.
  [[nodiscard]] std::shared_ptr<KeyScope> open_scope() const;

  /// Makes a key pair that belongs to this task.
  /// A few are made at the same time; the rest wait here, where the task's end finds them.
  /// @throws Error CKR_DEVICE_REMOVED when the task ended meanwhile (a key is destroyed then),
  ///         CKR_DEVICE_MEMORY when as many were made as the policy allows, and what
  ///         KeyScope::generate() gives.
  std::shared_ptr<SessionKey> generate(KeyScope& scope, const KeySpec& spec);

  /// Takes the permission for one signature, from the tasks above as well, which settle_signature()
  /// must follow.
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

  /// Ends the task: no signature is given out any more, the tasks below are ended, deepest first,
  /// every key is destroyed, also those that were being made, observers are told.
  /// @param cause  A final state, which the tasks below get as well.
  /// @return what became of all keys, those of the tasks below too; nothing if the task had ended
  ///         already, or the cause is no final state.
  std::optional<EndReport> end(TaskState cause) noexcept;

  /// Whether its end is complete: nobody has to do with it any more.
  [[nodiscard]] bool is_over() const;
  /// Waits for that, when the task has ended.
  void wait_for_end() noexcept;

  void add_observer(const std::shared_ptr<TaskObserver>& observer);

 private:
  class Generation;
  class KeyPermit;

  [[nodiscard]] const TaskPlan& terms() const noexcept {
    return *terms_.load(std::memory_order_acquire);
  }
  void require_alive() const;
  void require_granted() const;
  [[nodiscard]] EndReport end_children(TaskState cause) noexcept;

  /// Changes the state, if that may be, and says whether it did. Called with mutex_ locked.
  bool move_to(TaskState next) noexcept;
  /// Whether the PIN was the grant that the task awaits, and the task goes on under it.
  bool check_grant(ByteView pin);
  template <typename Tell>
  void tell_each(const Tell& tell) const noexcept;
  /// The observer after one that is alive; null after the last.
  [[nodiscard]] std::shared_ptr<TaskObserver> observer_after(
      const std::shared_ptr<TaskObserver>& last) const noexcept;
  /// Destroys a key that was made and that nobody gets.
  void discard(SessionKey& key) noexcept;

  const TaskPlan plan_;
  const SlotId slot_;
  std::unique_ptr<const TaskPlan> confined_;  // written once, before terms_ points to it
  std::atomic<const TaskPlan*> terms_{&plan_};
  const std::shared_ptr<Task> parent_;
  const std::shared_ptr<UseMeter> meter_;
  const std::unique_ptr<Login> login_;
  const std::unique_ptr<TaskKeeper> keeper_;
  Device& device_;
  TaskOwner& owner_;
  std::atomic<TaskState> state_{TaskState::open};
  std::unique_ptr<TaskLedger> ledger_;
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
  std::vector<std::weak_ptr<Task>> children_;
  bool is_over_ = false;  // the end is complete
  std::condition_variable over_;
  std::mutex admission_;  // for logins that bring a grant to take turns
};

}  // namespace mayfly
