#include "fuzz/api_model.h"

#include <algorithm>

namespace mayfly::test {

SessionModel* ApiModel::session(CK_SESSION_HANDLE handle) noexcept {
  for (SessionModel& session : sessions) {
    if (session.open && session.handle == handle) return &session;
  }
  return nullptr;
}

TaskModel* ApiModel::task(CK_SLOT_ID slot) noexcept {
  for (TaskModel& task : tasks) {
    if (task.open && task.slot == slot) return &task;
  }
  return nullptr;
}

bool ApiModel::is_visible(const ObjectModel& object, const TaskModel& task) const noexcept {
  return object.alive && object.task == &task &&
         (object.object_class != CKO_PRIVATE_KEY || has_access(task));
}

ObjectModel* ApiModel::object(const SessionModel& session, CK_OBJECT_HANDLE handle) noexcept {
  if (handle == CK_INVALID_HANDLE) return nullptr;  // objects without one, after a logout
  for (ObjectModel& object : objects) {
    if (object.handle == handle && is_visible(object, *session.task)) return &object;
  }
  return nullptr;
}

std::size_t ApiModel::open_tasks() const noexcept {
  return static_cast<std::size_t>(std::ranges::count(tasks, true, &TaskModel::open));
}

std::size_t ApiModel::open_sessions() const noexcept {
  return static_cast<std::size_t>(std::ranges::count(sessions, true, &SessionModel::open));
}

std::size_t ApiModel::live_keys() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(keys, [](const KeyModel& key) { return key.names > 0; }));
}

void ApiModel::destroy(ObjectModel& object) noexcept {
  if (!object.alive) return;
  object.alive = false;
  if (object.object_class == CKO_PRIVATE_KEY) --object.key->names;
}

void ApiModel::close(SessionModel& session) noexcept {
  session.open = false;
  for (ObjectModel& object : objects) {
    if (!object.is_token && object.owner == &session) destroy(object);
  }
  TaskModel& task = *session.task;
  const bool last = std::ranges::none_of(
      sessions, [&](const SessionModel& other) { return other.open && other.task == &task; });
  if (!last) return;
  task.logged_in = false;
  ++task.login_epoch;
}

void ApiModel::close_all(const TaskModel& task) noexcept {
  for (SessionModel& session : sessions) {
    if (session.open && session.task == &task) close(session);
  }
}

void ApiModel::log_out(TaskModel& task) noexcept {
  task.logged_in = false;
  ++task.login_epoch;
  for (ObjectModel& object : objects) {
    if (object.task != &task || object.object_class != CKO_PRIVATE_KEY) continue;
    object.handle = CK_INVALID_HANDLE;  // for ever; a search gives another
    if (!object.is_token) destroy(object);
  }
}

void ApiModel::end(TaskModel& task) noexcept {
  task.open = false;
  for (ObjectModel& object : objects) {
    if (object.task == &task) destroy(object);
  }
  for (SessionModel& session : sessions) {
    if (session.task == &task) session.open = false;
  }
}

void ApiModel::finalize() noexcept {
  for (TaskModel& task : tasks) end(task);
  initialized = false;
}

bool is_current(const ApiModel& model, const OperationModel& operation) noexcept {
  const TaskModel& task = *operation.key->task;
  return task.login_epoch == operation.login_epoch && model.has_access(task);
}

bool has_key(const OperationModel& operation) noexcept { return operation.key->alive; }

}  // namespace mayfly::test
