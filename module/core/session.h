// PKCS#11 sessions.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "base/mechanism.h"
#include "core/attributes.h"
#include "core/operation.h"
#include "core/signing.h"
#include "core/task_keeper.h"
#include "core/token.h"

namespace mayfly {

/// Session models one PKCS#11 session on a virtual token: at most one operation of each kind, and
/// the device scope in which its keys are made.
///
/// Functions may be called from any thread; those of one session take turns. Each checks that the
/// session is open and its task alive, before and, where a signature is given out, after.
class Session {
 public:
  Session(SessionHandle handle, std::shared_ptr<Token> token, bool read_write);

  [[nodiscard]] SessionHandle handle() const noexcept { return handle_; }
  [[nodiscard]] Token& token() const noexcept { return *token_; }
  [[nodiscard]] bool read_write() const noexcept { return read_write_; }
  [[nodiscard]] CK_STATE state() const noexcept;
  /// @throws Error as Token::login() and Token::logout().
  void login(ByteView pin) { token_->login(handle_, pin); }
  void logout() { token_->logout(handle_); }
  /// Marks the session as closed, so that what is under way in it can't finish.
  /// @return false if it was closed already.
  bool close() noexcept { return !closed_.exchange(true); }
  /// @throws Error CKR_SESSION_CLOSED or CKR_SESSION_HANDLE_INVALID.
  void check_open() const;

  // Objects (PKCS#11 3.0, 5.8) -----------------------------------------------------------------

  ObjectHandle create_object(const Attributes& wanted);
  ObjectHandle copy_object(ObjectHandle original, const Attributes& changes);
  void destroy_object(ObjectHandle handle);
  void set_attributes(ObjectHandle handle, const Attributes& changes);
  [[nodiscard]] std::shared_ptr<Object> object(ObjectHandle handle) const;

  void find_init(const Attributes& wanted);
  [[nodiscard]] std::vector<ObjectHandle> find_next(std::size_t most);
  void find_final();

  // Key generation (5.18) ----------------------------------------------------------------------

  KeyPairHandles generate_key_pair(CK_MECHANISM_TYPE mechanism, const Attributes& public_wanted,
                                   const Attributes& private_wanted);
  /// Where the device makes the session's keys, opened when it is first asked for.
  [[nodiscard]] std::shared_ptr<KeyScope> scope();

  // Signing (5.13) -----------------------------------------------------------------------------

  void sign_init(const MechanismChoice& choice, ObjectHandle key);
  /// Bytes of the signature that the active operation makes.
  [[nodiscard]] std::size_t signature_size();
  /// Signs. `out` has room for signature_size(); the operation is over, whatever comes.
  std::size_t sign(ByteView data, ByteSpan out);
  void sign_update(ByteView part);
  std::size_t sign_final(ByteSpan out);

  void verify_init(const MechanismChoice& choice, ObjectHandle key);
  void verify(ByteView data, ByteView signature);
  void verify_update(ByteView part);
  void verify_final(ByteView signature);

  // Message-based signing (5.14, 5.16): one initialisation, many messages. -----------------------

  void message_sign_init(const MechanismChoice& choice, ObjectHandle key);
  [[nodiscard]] std::size_t message_signature_size();
  std::size_t sign_message(ByteView data, ByteSpan out);
  void sign_message_begin();
  void sign_message_next(ByteView part);
  std::size_t sign_message_last(ByteView part, ByteSpan out);
  void message_sign_final();

  void message_verify_init(const MechanismChoice& choice, ObjectHandle key);
  void verify_message(ByteView data, ByteView signature);
  void verify_message_begin();
  void verify_message_next(ByteView part);
  void verify_message_last(ByteView part, ByteView signature);
  void message_verify_final();

  // Digests (5.12) -------------------------------------------------------------------------------

  void digest_init(const MechanismChoice& choice);
  [[nodiscard]] std::size_t digest_size();
  Bytes digest(ByteView data);
  void digest_update(ByteView part);
  Bytes digest_final();

  /// Ends active operations (5.6.8). @param flags  CKF_SIGN, CKF_VERIFY, CKF_DIGEST,
  /// CKF_FIND_OBJECTS, CKF_MESSAGE_SIGN, CKF_MESSAGE_VERIFY; others have nothing to end.
  /// @return whether there was one.
  bool cancel(CK_FLAGS flags);
  /// Ends the message that is being signed (CKF_MESSAGE_SIGN) or verified (CKF_MESSAGE_VERIFY), but
  /// not the operation that it belongs to.
  void cancel_message(CK_FLAGS flag);

 private:
  /// What a message-based operation was initialised with, and the message in the making.
  struct MessageSigning {
    Signing prototype;
    std::optional<Signing> message;
  };
  struct MessageVerifying {
    SignatureOperation prototype;
    std::optional<SignatureOperation> message;
  };

  // session_sign.cpp
  [[nodiscard]] Signing begin_signing(const MechanismChoice& choice, ObjectHandle key) const;
  void check_access(const Signing& signing) const;
  std::size_t make_signature(const Signing& signing, ByteView input, ByteSpan out) const;

  // session_verify.cpp
  [[nodiscard]] SignatureOperation begin_verifying(const MechanismChoice& choice,
                                                   ObjectHandle key) const;

  const SessionHandle handle_;
  const std::shared_ptr<Token> token_;
  const bool read_write_;
  std::atomic<bool> closed_{false};

  std::mutex scope_mutex_;  // guards scope_; taken alone
  std::shared_ptr<KeyScope> scope_;

  std::mutex mutex_;  // guards the operations; held while one signs, so they take turns
  std::optional<FindOperation> find_;
  std::optional<Signing> sign_;
  std::optional<MessageSigning> message_sign_;
  std::optional<SignatureOperation> verify_;
  std::optional<MessageVerifying> message_verify_;
  std::optional<Hasher> digest_;
  bool digest_updated_ = false;
};

}  // namespace mayfly
