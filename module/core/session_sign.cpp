// Session: signing, one-part, multi-part and message-based.
#include "base/error.h"
#include "core/session.h"
#include "core/task_ledger.h"

namespace mayfly {
namespace {

[[noreturn]] void no_signing() {
  throw Error(CKR_OPERATION_NOT_INITIALIZED, "no signing operation is active");
}

/// What it refuses, the task's ledger is told of.
template <typename Action>
decltype(auto) witness_signing(const Token& token, Action&& action) {
  return token.task().ledger().witness("signing", std::forward<Action>(action));
}

std::size_t size_of(const SignatureOperation& operation) noexcept {
  return operation.key().session_key()->public_key().signature_size();
}

}  // namespace

Signing Session::begin_signing(const MechanismChoice& choice, ObjectHandle key) const {
  witness_signing(*token_, [&] { check_open(); });
  return mayfly::begin_signing(*token_, choice, key);
}

void Session::check_access(const Signing& signing) const {
  witness_signing(*token_, [&] {
    check_open();
    check_login(*token_, signing);
  });
}

std::size_t Session::make_signature(const Signing& signing, ByteView input, ByteSpan out) const {
  return mayfly::make_signature(
      *token_, [this] { check_open(); }, signing, input, out);
}

void Session::sign_init(const MechanismChoice& choice, ObjectHandle key) {
  const std::scoped_lock lock(mutex_);
  if (sign_) throw Error(CKR_OPERATION_ACTIVE, "a signing operation is active already");
  sign_ = begin_signing(choice, key);
}

std::size_t Session::signature_size() {
  const std::scoped_lock lock(mutex_);
  if (!sign_) no_signing();
  check_access(*sign_);
  return size_of(sign_->operation);
}

std::size_t Session::sign(ByteView data, ByteSpan out) {
  const std::scoped_lock lock(mutex_);
  if (!sign_ || sign_->operation.updated()) no_signing();
  const ByteView input = witness_signing(*token_, [&] { return sign_->operation.one_part(data); });
  const std::size_t size = make_signature(*sign_, input, out);
  sign_.reset();
  return size;
}

void Session::sign_update(ByteView part) {
  const std::scoped_lock lock(mutex_);
  if (!sign_) no_signing();
  check_access(*sign_);
  witness_signing(*token_, [&] { sign_->operation.update(part); });
}

std::size_t Session::sign_final(ByteSpan out) {
  const std::scoped_lock lock(mutex_);
  if (!sign_) no_signing();
  const ByteView input = witness_signing(*token_, [&] { return sign_->operation.all_parts(); });
  const std::size_t size = make_signature(*sign_, input, out);
  sign_.reset();
  return size;
}

void Session::message_sign_init(const MechanismChoice& choice, ObjectHandle key) {
  const std::scoped_lock lock(mutex_);
  if (message_sign_) {
    throw Error(CKR_OPERATION_ACTIVE, "a message-based signing operation is active already");
  }
  message_sign_.emplace(MessageSigning{begin_signing(choice, key), std::nullopt});
}

std::size_t Session::message_signature_size() {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_) no_signing();
  check_access(message_sign_->prototype);
  return size_of(message_sign_->prototype.operation);
}

std::size_t Session::sign_message(ByteView data, ByteSpan out) {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_) no_signing();
  if (message_sign_->message)
    throw Error(CKR_OPERATION_ACTIVE, "a message is being signed already");
  Signing message = message_sign_->prototype.fresh();
  const ByteView input = witness_signing(*token_, [&] { return message.operation.one_part(data); });
  return make_signature(message, input, out);
}

void Session::sign_message_begin() {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_) no_signing();
  check_access(message_sign_->prototype);
  if (message_sign_->message)
    throw Error(CKR_OPERATION_ACTIVE, "a message is being signed already");
  message_sign_->message.emplace(message_sign_->prototype.fresh());
}

void Session::sign_message_next(ByteView part) {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_ || !message_sign_->message) no_signing();
  check_access(*message_sign_->message);
  witness_signing(*token_, [&] { message_sign_->message->operation.update(part); });
}

std::size_t Session::sign_message_last(ByteView part, ByteSpan out) {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_ || !message_sign_->message) no_signing();
  Signing message = std::move(*message_sign_->message);
  message_sign_->message.reset();
  const ByteView input = witness_signing(*token_, [&] {
    message.operation.update(part);
    return message.operation.all_parts();
  });
  return make_signature(message, input, out);
}

void Session::message_sign_final() {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_) no_signing();
  if (message_sign_->message) throw Error(CKR_OPERATION_ACTIVE, "a message is being signed still");
  message_sign_.reset();
}

}  // namespace mayfly
