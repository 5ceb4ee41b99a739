// One application's view of a task.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "core/object_store.h"
#include "core/shown_keys.h"
#include "core/task.h"

namespace mayfly {

class Session;

/// Token models the virtual token of a task as one application sees it: its login, its session
/// objects, and its handles. Two applications of one task share the token objects and nothing else.
class Token final : public TaskObserver {
 public:
  using SessionTable = HandleTable<SessionHandle, Session>;

  /// @param sessions  Where the application's sessions are registered. Shared, because a task that
  ///                  ends may still be telling a token so when its application has gone.
  Token(std::shared_ptr<Task> task, std::shared_ptr<SessionTable> sessions, ShownKeys shown = {});

  [[nodiscard]] Task& task() const noexcept { return *task_; }
  [[nodiscard]] const ShownKeys& shown_keys() const noexcept { return shown_; }

  /// @throws Error CKR_SESSION_HANDLE_INVALID when the task has ended or its deadline has come.
  void check_alive() const;

  // Login (PKCS#11 3.0, 5.7) ------------------------------------------------------------------

  /// Whether private objects may be seen and used: after a login, or always where none is needed.
  [[nodiscard]] bool has_user_access() const noexcept;
  [[nodiscard]] bool logged_in() const noexcept { return logged_in_.load(); }
  /// Counted up at each logout: what began before one can't go on after it.
  [[nodiscard]] std::uint64_t login_epoch() const noexcept { return login_epoch_.load(); }
  /// @throws Error CKR_USER_ALREADY_LOGGED_IN, CKR_PIN_INCORRECT, CKR_PIN_LOCKED.
  /// @param session  The session in which the client logs in or out.
  void login(SessionHandle session, ByteView pin);
  /// Private session objects are destroyed, handles of private objects become invalid, operations
  /// that use private keys can't go on. @throws Error CKR_USER_NOT_LOGGED_IN; CKR_DEVICE_ERROR if
  /// the device still owes the destruction of a key.
  void logout(SessionHandle session);

  // Objects ----------------------------------------------------------------------------------

  /// The objects that this application may see and that match, token objects first.
  [[nodiscard]] std::vector<ObjectHandle> find(const Attributes& wanted);
  /// @throws Error CKR_OBJECT_HANDLE_INVALID
  [[nodiscard]] std::shared_ptr<Object> object(ObjectHandle handle) const;
  /// The same for the key of an operation.
  /// @throws Error CKR_KEY_HANDLE_INVALID
  [[nodiscard]] std::shared_ptr<Object> key(ObjectHandle handle) const;
  /// Adds an object where its CKA_TOKEN says and gives its handle. A session object ends with the
  /// session `owner`. An object that can't be added is disposed of, its name of a key included.
  ObjectHandle add(std::shared_ptr<Object> object, SessionHandle owner);
  /// Gives the handle of an object that is in its store already. A session object ends with the
  /// session `owner` from now on.
  /// @throws Error CKR_SESSION_CLOSED
  ObjectHandle enter(const std::shared_ptr<Object>& object, SessionHandle owner);
  /// @throws Error CKR_DEVICE_ERROR if the device still owes the destruction of a key.
  void destroy(const std::shared_ptr<Object>& object);
  /// Takes back an object that was just added, if it is still there.
  Destruction discard(const std::shared_ptr<Object>& object) noexcept;
  [[nodiscard]] ObjectStore& store_of(const Object& object) noexcept;
  /// The handle of an object that this application may see.
  [[nodiscard]] ObjectHandle handle_of(const std::shared_ptr<Object>& object);
  /// The token objects that this application may see and that came or changed since a moment, and
  /// the numbers of those that went, as ObjectStore::changes_since(). A login or a logout is no
  /// moment: what may be seen after it is told from the start.
  [[nodiscard]] ObjectStore::Changes changes_since(const ChangeLog::Position& told,
                                                   std::size_t most_bytes);

  // Sessions ---------------------------------------------------------------------------------

  /// @throws Error CKR_TOKEN_NOT_PRESENT if the task has ended.
  void add_session(SessionHandle handle, bool read_write);
  /// Forgets a session and destroys its objects; the last one logs out (PKCS#11 3.0, 5.6.2).
  EndReport remove_session(SessionHandle handle) noexcept;
  /// One of the open sessions, or nothing when all are closed.
  [[nodiscard]] std::optional<SessionHandle> any_session() const;
  struct SessionCounts {
    std::size_t all = 0;
    std::size_t read_write = 0;
  };
  [[nodiscard]] SessionCounts session_counts() const;

  void task_ended(TaskState cause) noexcept override;

 private:
  Destruction dispose(const std::shared_ptr<Object>& object) noexcept;
  EndReport dispose_all(const ObjectStore::Taken& objects) noexcept;
  [[nodiscard]] bool may_see(const Object& object) const noexcept;
  void drop_handle(const Object& object);
  void drop_retired_handles();

  const std::shared_ptr<Task> task_;
  const std::shared_ptr<SessionTable> session_table_;
  const ShownKeys shown_;
  std::atomic<bool> logged_in_{false};
  std::atomic<std::uint64_t> login_epoch_{0};
  ObjectStore session_objects_;

  mutable std::shared_mutex mutex_;  // guards what follows; no store and no device with it held
  std::unordered_map<CK_ULONG, std::shared_ptr<Object>> objects_;
  std::unordered_map<const Object*, ObjectHandle> handles_;
  std::unordered_map<const Object*, SessionHandle> owners_;  // of session objects
  struct OpenSession {
    bool read_write;
    std::unordered_map<const Object*, std::shared_ptr<Object>> objects;
  };
  std::map<SessionHandle, OpenSession> sessions_;
  std::size_t read_write_sessions_ = 0;
  bool ended_ = false;
  std::size_t purge_at_ = 1024;
};

}  // namespace mayfly
