// What a client of the module may expect: the tasks, sessions, objects and operations that there
// are, kept beside the module from its answers and by the standard's rules.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/pkcs11.h"
#include "base/public_key.h"

namespace mayfly::test {

struct TaskModel {
  CK_SLOT_ID slot;
  std::string id;
  bool open = true;
  bool logged_in = false;
  unsigned login_epoch = 0;  ///< what began in an earlier one can't go on
  unsigned wrong_pins = 0;   ///< in a row
};

struct KeyModel {
  PublicKey public_key;
  int names = 1;  ///< objects that name it; it dies with the last
};

struct SessionModel;

struct ObjectModel {
  CK_OBJECT_HANDLE handle;
  CK_OBJECT_CLASS object_class;
  TaskModel* task;
  const SessionModel* owner;
  bool is_token;
  KeyModel* key;  ///< what a private key names; the key that a public one goes with
  bool alive = true;
};

struct OperationModel {
  ObjectModel* key;
  CK_MECHANISM_TYPE mechanism;
  unsigned login_epoch;
  bool updated = false;
  Bytes data = {};
};

struct MessageModel {
  OperationModel prototype;
  std::optional<OperationModel> message = {};
};

struct SessionModel {
  CK_SESSION_HANDLE handle;
  TaskModel* task;
  bool read_write;
  bool open = true;
  std::optional<OperationModel> sign = {};
  std::optional<OperationModel> verify = {};
  std::optional<MessageModel> message_sign = {};
  std::optional<OperationModel> digest = {};
  bool searching = false;
};

/// ApiModel models one process that uses the module. Nothing is ever forgotten, so that stale
/// handles can be tried; pointers into it stay good.
class ApiModel {
 public:
  explicit ApiModel(bool login_required) noexcept : login_required_(login_required) {}

  bool initialized = true;
  std::deque<TaskModel> tasks;
  std::deque<SessionModel> sessions;
  std::deque<KeyModel> keys;
  std::deque<ObjectModel> objects;

  [[nodiscard]] bool login_required() const noexcept { return login_required_; }
  [[nodiscard]] bool has_access(const TaskModel& task) const noexcept {
    return !login_required_ || task.logged_in;
  }

  /// The open session or the open task of a number, or null.
  [[nodiscard]] SessionModel* session(CK_SESSION_HANDLE handle) noexcept;
  [[nodiscard]] TaskModel* task(CK_SLOT_ID slot) noexcept;
  /// The object that a session can use by a handle, or null.
  [[nodiscard]] ObjectModel* object(const SessionModel& session, CK_OBJECT_HANDLE handle) noexcept;
  [[nodiscard]] bool is_visible(const ObjectModel& object, const TaskModel& task) const noexcept;

  [[nodiscard]] std::size_t open_tasks() const noexcept;
  [[nodiscard]] std::size_t open_sessions() const noexcept;
  /// Keys that the device must hold.
  [[nodiscard]] std::size_t live_keys() const noexcept;

  void destroy(ObjectModel& object) noexcept;
  void close(SessionModel& session) noexcept;
  void close_all(const TaskModel& task) noexcept;
  void log_out(TaskModel& task) noexcept;
  void end(TaskModel& task) noexcept;
  void finalize() noexcept;

 private:
  bool login_required_;
};

/// Whether the operation's login has not ended.
[[nodiscard]] bool is_current(const ApiModel& model, const OperationModel& operation) noexcept;
/// Whether the operation's key is there.
[[nodiscard]] bool has_key(const OperationModel& operation) noexcept;

}  // namespace mayfly::test
