#include "core/token.h"

#include "base/error.h"
#include "base/safeguard.h"
#include "core/every_handle.h"
#include "core/session.h"
#include "core/task_keeper.h"

namespace mayfly {
Token::Token(std::shared_ptr<Task> task, std::shared_ptr<SessionTable> sessions, ShownKeys shown)
    : task_(std::move(task)),
      session_table_(std::move(sessions)),
      shown_(shown),
      session_objects_(task_->quota()) {}

void Token::check_alive() const {
  if (!task_->alive()) {
    throw Error(CKR_SESSION_HANDLE_INVALID, "task " + task_->id() + " has ended");
  }
}

bool Token::has_user_access() const noexcept {
  return !task_->login_required() || logged_in_.load() || !kept(Safeguard::login);
}

void Token::login(SessionHandle session, ByteView pin) {
  TaskKeeper& keeper = task_->keeper();
  const auto turn = keeper.session_turn();
  if (logged_in_.load()) {
    throw Error(CKR_USER_ALREADY_LOGGED_IN, "this application is logged in already");
  }
  keeper.login(*task_, session, pin);
  if (logged_in_.exchange(true)) {
    throw Error(CKR_USER_ALREADY_LOGGED_IN, "this application is logged in already");
  }
}

void Token::logout(SessionHandle session) {
  TaskKeeper& keeper = task_->keeper();
  const auto turn = keeper.session_turn();
  if (!logged_in_.exchange(false)) {
    throw Error(CKR_USER_NOT_LOGGED_IN, "this application is not logged in");
  }
  login_epoch_.fetch_add(1);
  {
    const std::unique_lock lock(mutex_);
    std::erase_if(objects_, [this](const auto& entry) {
      if (!entry.second->is_private() || !kept(Safeguard::login)) return false;
      handles_.erase(entry.second.get());
      return true;
    });
  }
  const EndReport report = dispose_all(
      session_objects_.take_if([](const Object& object) { return object.is_private(); }));
  keeper.logout(*task_, session);
  report.require_destroyed();
}

bool Token::may_see(const Object& object) const noexcept {
  return !object.retired() && (!object.is_private() || has_user_access()) && shown_.include(object);
}

std::vector<ObjectHandle> Token::find(const Attributes& wanted) {
  task_->keeper().refresh(*task_);
  std::vector<ObjectHandle> result;
  for (ObjectStore* store : {&task_->objects(), &session_objects_}) {
    for (const auto& object : store->find(wanted)) {
      if (may_see(*object)) result.push_back(handle_of(object));
    }
  }
#ifdef MAYFLY_SWITCHABLE_SAFEGUARDS
  if (!kept(Safeguard::one_tasks_handles)) result = EveryHandle::table().all();
#endif
  return result;
}

ObjectStore::Changes Token::changes_since(const ChangeLog::Position& told, std::size_t most_bytes) {
  ObjectStore::Changes changes = task_->objects().changes_since(told, most_bytes);
  std::erase_if(changes.changed, [this](const auto& entry) { return !may_see(*entry.object); });
  return changes;
}

std::shared_ptr<Object> Token::object(ObjectHandle handle) const {
  task_->keeper().refresh(*task_);
  {
    const std::shared_lock lock(mutex_);
    const auto found = objects_.find(handle.value);
    if (found != objects_.end() && may_see(*found->second)) return found->second;
  }
#ifdef MAYFLY_SWITCHABLE_SAFEGUARDS
  if (!kept(Safeguard::one_tasks_handles)) {
    if (auto other = EveryHandle::table().find(handle)) return other;
  }
#endif
  throw Error(CKR_OBJECT_HANDLE_INVALID, "the handle names no object of this token");
}

std::shared_ptr<Object> Token::key(ObjectHandle handle) const {
  try {
    return object(handle);
  } catch (const Error& error) {
    if (error.rv() != CKR_OBJECT_HANDLE_INVALID) throw;
    throw Error(CKR_KEY_HANDLE_INVALID, error.what());
  }
}

ObjectStore& Token::store_of(const Object& object) noexcept {
  return object.is_token_object() ? task_->objects() : session_objects_;
}

ObjectHandle Token::add(std::shared_ptr<Object> object, SessionHandle owner) {
  try {
    if (!shown_.include(*object)) {
      throw Error(CKR_ATTRIBUTE_VALUE_INVALID, "this client can't be shown keys of this type");
    }
    store_of(*object).add(object);
    return enter(object, owner);
  } catch (...) {
    discard(object);
    throw;
  }
}

ObjectHandle Token::enter(const std::shared_ptr<Object>& object, SessionHandle owner) {
  const ObjectHandle handle = handle_of(object);
  if (!object->is_token_object()) {
    const std::unique_lock lock(mutex_);
    const auto session = sessions_.find(owner);
    if (session == sessions_.end()) {
      throw Error(CKR_SESSION_CLOSED, "the session was closed while its object was being made");
    }
    // In this order: drop_handle() finds by its owner what there is to take back.
    owners_.emplace(object.get(), owner);
    session->second.objects.emplace(object.get(), object);
  }
  return handle;
}

Destruction Token::discard(const std::shared_ptr<Object>& object) noexcept {
  store_of(*object).remove(*object);
  return dispose(object);
}

void Token::destroy(const std::shared_ptr<Object>& object) {
  if (!store_of(*object).remove(*object)) {
    throw Error(CKR_OBJECT_HANDLE_INVALID, "the object is gone");
  }
  EndReport report;
  report.add(dispose(object));
  report.require_destroyed();
}

Destruction Token::dispose(const std::shared_ptr<Object>& object) noexcept {
  if (!object->retire()) return Destruction::destroyed;
  drop_handle(*object);
  const auto& key = object->session_key();
  return key == nullptr ? Destruction::destroyed : task_->drop_name(key);
}

EndReport Token::dispose_all(const ObjectStore::Taken& objects) noexcept {
  EndReport report;
  for (const auto& [number, object] : objects) {
    const Destruction outcome = dispose(object);
    if (object->session_key() != nullptr) report.add(outcome);
  }
  return report;
}

ObjectHandle Token::handle_of(const std::shared_ptr<Object>& object) {
  {
    const std::shared_lock lock(mutex_);
    const auto known = handles_.find(object.get());
    if (known != handles_.end()) return known->second;
  }
  const std::unique_lock lock(mutex_);
  if (objects_.size() >= purge_at_) drop_retired_handles();
  if (const auto known = handles_.find(object.get()); known != handles_.end()) {
    return known->second;
  }
  const auto handle = next_handle<ObjectHandle>();
  const auto entry = objects_.emplace(handle.value, object).first;
  try {
    handles_.emplace(object.get(), handle);
  } catch (...) {
    objects_.erase(entry);
    throw;
  }
#ifdef MAYFLY_SWITCHABLE_SAFEGUARDS
  EveryHandle::table().add(handle, object);
#endif
  return handle;
}

void Token::drop_handle(const Object& object) {
  const std::unique_lock lock(mutex_);
  if (const auto owner = owners_.find(&object); owner != owners_.end()) {
    const auto session = sessions_.find(owner->second);
    if (session != sessions_.end()) session->second.objects.erase(&object);
    owners_.erase(owner);
  }
  const auto known = handles_.find(&object);
  if (known == handles_.end()) return;
  const CK_ULONG handle = known->second.value;
  handles_.erase(known);
  objects_.erase(handle);
}

// Another application of the task can destroy token objects without this one hearing of it.
void Token::drop_retired_handles() {
  std::erase_if(objects_, [this](const auto& entry) {
    if (!entry.second->retired()) return false;
    handles_.erase(entry.second.get());
    owners_.erase(entry.second.get());
    return true;
  });
  purge_at_ = 1024 + 2 * objects_.size();
}

void Token::add_session(SessionHandle handle, bool read_write) {
  TaskKeeper& keeper = task_->keeper();
  const auto turn = keeper.session_turn();
  keeper.open_session(*task_, handle, read_write);
  try {
    const std::unique_lock lock(mutex_);
    if (ended_) throw Error(CKR_TOKEN_NOT_PRESENT, "task " + task_->id() + " has ended");
    sessions_.emplace(handle, OpenSession{read_write, {}});
    if (read_write) ++read_write_sessions_;
  } catch (...) {
    keeper.close_session(*task_, handle);
    throw;
  }
}

EndReport Token::remove_session(SessionHandle handle) noexcept {
  TaskKeeper& keeper = task_->keeper();
  const auto turn = keeper.session_turn();
  std::unordered_map<const Object*, std::shared_ptr<Object>> objects;
  bool last = false;
  {
    const std::unique_lock lock(mutex_);
    const auto session = sessions_.find(handle);
    if (session == sessions_.end()) return {};
    if (session->second.read_write) --read_write_sessions_;
    objects.swap(session->second.objects);
    sessions_.erase(session);
    last = sessions_.empty();
  }
  if (last) {
    logged_in_.store(false);
    login_epoch_.fetch_add(1);
  }
  EndReport report;
  for (const auto& [address, object] : objects) {
    if (!kept(Safeguard::session_end)) break;
    const Destruction outcome = discard(object);
    if (object->session_key() != nullptr) report.add(outcome);
  }
  report.add(keeper.close_session(*task_, handle));
  return report;
}

std::optional<SessionHandle> Token::any_session() const {
  const std::shared_lock lock(mutex_);
  return sessions_.empty() ? std::nullopt : std::optional(sessions_.begin()->first);
}

Token::SessionCounts Token::session_counts() const {
  const std::shared_lock lock(mutex_);
  return {sessions_.size(), read_write_sessions_};
}

void Token::task_ended(TaskState) noexcept {
  std::map<SessionHandle, OpenSession> closing;
  {
    const std::unique_lock lock(mutex_);
    ended_ = true;
    closing.swap(sessions_);
    read_write_sessions_ = 0;
    objects_.clear();
    handles_.clear();
    owners_.clear();
  }
  for (const auto& [handle, open_session] : closing) {
    if (const auto session = session_table_->take(handle)) session->close();
  }
  for (const auto& [number, object] : session_objects_.shut()) object->retire();
}

}  // namespace mayfly
