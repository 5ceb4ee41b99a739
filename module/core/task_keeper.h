// Who has the say over the objects of a task.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/handle.h"
#include "core/attributes.h"
#include "core/object.h"
#include "core/task.h"

namespace mayfly {

class Session;

/// A key pair's two handles.
struct KeyPairHandles {
  ObjectHandle public_key;
  ObjectHandle private_key;
};

/// TaskKeeper decides over the sessions, the login and the objects of a task. Where the task lives
/// in this process, that is core itself (LocalKeeper); where another process holds it, that one
/// does, and what is here is a mirror (HostedKeeper).
///
/// Sessions and objects that it is given are open and known to its task; what the arguments may be
/// is for the keeper to say.
class TaskKeeper {
 public:
  virtual ~TaskKeeper() = default;
  TaskKeeper() = default;
  TaskKeeper(const TaskKeeper&) = delete;
  TaskKeeper& operator=(const TaskKeeper&) = delete;

  /// @throws Error CKR_TOKEN_NOT_PRESENT if the task turns out to have ended.
  virtual TaskStatus status(Task& task) = 0;

  // Sessions and login -------------------------------------------------------------------------

  /// What makes opening and closing sessions and logging in and out take turns, where the keeper
  /// must see them in the order in which the token does; else a lock of nothing.
  [[nodiscard]] virtual std::unique_lock<std::mutex> session_turn() = 0;
  virtual void open_session(Task& task, SessionHandle session, bool read_write) = 0;
  /// @return what the device still owes of the session's keys, beyond what the token knows of.
  virtual EndReport close_session(Task& task, SessionHandle session) noexcept = 0;
  /// @throws Error CKR_PIN_INCORRECT, CKR_PIN_LOCKED
  virtual void login(Task& task, SessionHandle session, ByteView pin) = 0;
  /// @throws Error CKR_DEVICE_ERROR as Token::logout().
  virtual void logout(Task& task, SessionHandle session) = 0;

  // Objects ------------------------------------------------------------------------------------

  /// Makes the task's token objects here those that there are.
  virtual void refresh(Task& task) = 0;

  virtual ObjectHandle create(Session& session, const Attributes& wanted) = 0;
  virtual ObjectHandle copy(Session& session, const Object& original,
                            const Attributes& changes) = 0;
  virtual KeyPairHandles generate(Session& session, CK_MECHANISM_TYPE mechanism,
                                  const Attributes& public_wanted,
                                  const Attributes& private_wanted) = 0;
  virtual void change(Session& session, Object& object, const Attributes& changes) = 0;
  virtual void destroy(Session& session, const std::shared_ptr<Object>& object) = 0;

  /// How the task ends whose key turns out to be lost.
  [[nodiscard]] virtual TaskState cause_of_loss() noexcept = 0;

  /// Has a key sign.
  /// @return the bytes written to `out`, which has room for any signature of the key.
  /// @throws Error what a client may be told; CKR_DEVICE_REMOVED if the key was lost.
  virtual std::size_t sign(SessionKey::Use& key, const SignRequest& request, ByteSpan out) = 0;

  /// Evidence by the device of a private key: see core/attestation.h.
  virtual std::string attest(Task& task, const Object& key, ByteView nonce) = 0;
};

}  // namespace mayfly
