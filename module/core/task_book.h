// Who may open a task beyond what a policy says, and where tasks are written down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/task_state.h"
#include "core/task_origin.h"
#include "core/task_policy.h"
#include "core/task_request.h"

namespace mayfly {

/// A task above another one, as far as it matters for the one below.
struct ParentTask {
  std::string id;
  std::string serial;
};

/// What a task is confined to by whoever allowed it.
struct Terms {
  TaskPolicy policy;  ///< its max_ttl is also the ttl of a task that asks for none
  TaskOrigin origin;
};

/// A task at its opening.
struct OpeningRecord {
  std::string serial;
  std::string id;
  std::string parent;                 ///< the serial of the task above it; empty for none
  std::uint64_t deadline_unix_s = 0;  ///< seconds since 1970, rounded up
};

/// A change of a task's state: to `active`, or its end.
struct TaskMove {
  std::string serial;
  std::string id;
  TaskState to = TaskState::open;
  std::size_t destroyed = 0;  ///< key pairs, by the end
  std::size_t pending = 0;    ///< key pairs that the device still owes
  std::string cause = {};     ///< for people; empty leaves it to the state
  /// The SubjectPublicKeyInfo of the key that seals the task's ledger; empty for none.
  Bytes ledger_key = {};
};

/// Admission is the leave to open one task. Dropped without record(), nothing has happened.
class Admission {
 public:
  virtual ~Admission() = default;
  Admission() = default;
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  [[nodiscard]] virtual const Terms& terms() const noexcept = 0;

  /// Writes the opening down, and spends the grant that allows it, both or neither.
  /// @throws Error CKR_PIN_EXPIRED for a grant that was spent, CKR_PIN_INCORRECT for one that was
  ///         revoked, CKR_FUNCTION_FAILED when it can't be written.
  virtual void record(const OpeningRecord& opening) = 0;
};

/// TaskBook decides on the grants that tasks are opened with, and keeps the record of tasks that
/// other processes see. Functions may be called from any thread.
class TaskBook {
 public:
  virtual ~TaskBook() = default;
  TaskBook() = default;
  TaskBook(const TaskBook&) = delete;
  TaskBook& operator=(const TaskBook&) = delete;

  /// Whether a task may be opened as it is asked for. What the policy says of it is not looked at.
  /// @param parent  The task above; null for none.
  /// @throws Error CKR_PIN_INCORRECT or CKR_PIN_EXPIRED for a grant that does not hold; the message
  ///         is for the log, not for whoever asks.
  [[nodiscard]] virtual std::unique_ptr<Admission> admit(const TaskRequest& request,
                                                         const ParentTask* parent) = 0;

  /// Records a change. What can't be recorded now is recorded later, as long as the process lives.
  virtual void record(const TaskMove& move) noexcept = 0;

  /// The serials of tasks of this book that somebody has ordered to end, until record() of their
  /// end says that it was obeyed. Looks no more often than every second.
  [[nodiscard]] virtual std::vector<std::string> ordered_to_end() noexcept = 0;
  /// The same for a call that must not wait: looks for a moment at most, and not for a while where
  /// that did not do.
  [[nodiscard]] virtual std::vector<std::string> ordered_in_passing() noexcept = 0;

  /// Records what is still owed, as far as that can be done. No task of the book is open any more.
  virtual void close() noexcept = 0;
};

}  // namespace mayfly
