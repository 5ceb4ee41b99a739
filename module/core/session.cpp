#include "core/session.h"

#include "base/error.h"

namespace mayfly {

Session::Session(SessionHandle handle, std::shared_ptr<Token> token, bool read_write)
    : handle_(handle), token_(std::move(token)), read_write_(read_write) {}

CK_STATE Session::state() const noexcept {
  if (token_->has_user_access()) return read_write_ ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
  return read_write_ ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
}

void Session::check_open() const {
  token_->check_alive();
  if (closed_.load()) throw Error(CKR_SESSION_CLOSED, "the session was closed meanwhile");
}

bool Session::cancel(CK_FLAGS flags) {
  const std::scoped_lock lock(mutex_);
  bool ended = false;
  const auto end = [&](CK_FLAGS flag, auto& operation) {
    if ((flags & flag) == 0 || !operation) return;
    operation.reset();
    ended = true;
  };
  end(CKF_FIND_OBJECTS, find_);
  end(CKF_SIGN, sign_);
  end(CKF_MESSAGE_SIGN, message_sign_);
  end(CKF_VERIFY, verify_);
  end(CKF_MESSAGE_VERIFY, message_verify_);
  end(CKF_DIGEST, digest_);
  return ended;
}

void Session::cancel_message(CK_FLAGS flag) {
  const std::scoped_lock lock(mutex_);
  if (flag == CKF_MESSAGE_SIGN && message_sign_) message_sign_->message.reset();
  if (flag == CKF_MESSAGE_VERIFY && message_verify_) message_verify_->message.reset();
}

}  // namespace mayfly
