// Session: signing, one-part, multi-part and message-based.
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/secret.h"
#include "core/device_answer.h"
#include "core/session.h"

namespace mayfly {
namespace {

// The longest signature that any key of ours makes: RSA with 4096 bits.
constexpr std::size_t kMaxSignature = 512;

[[noreturn]] void no_operation() {
  throw Error(CKR_OPERATION_NOT_INITIALIZED, "no signing operation is active");
}

std::size_t size_of(const SignatureOperation& operation) noexcept {
  return operation.key().session_key()->public_key().signature_size();
}

}  // namespace

Session::Signing Session::begin_signing(const MechanismChoice& choice, ObjectHandle handle) const {
  check_open();
  if (!token_->has_user_access()) throw Error(CKR_USER_NOT_LOGGED_IN, "signing needs a login");
  const std::uint64_t epoch = token_->login_epoch();
  Device& device = token_->task().device();
  const Mechanism& mechanism = require_mechanism(choice.type, MechanismUse::sign, device);
  std::shared_ptr<Object> key;
  try {
    key = token_->object(handle);
  } catch (const Error& error) {
    throw Error(CKR_KEY_HANDLE_INVALID, error.what());
  }
  if (key->session_key() == nullptr) {
    throw Error(CKR_KEY_HANDLE_INVALID, "the object is no private key");
  }
  const PublicKey& half = key->session_key()->public_key();
  if (half.spec().type != mechanism.key_type) {
    throw Error(
        CKR_KEY_TYPE_INCONSISTENT,
        std::string(mechanism.name) + " does not go with a key of " + to_string(half.spec()));
  }
  if (!key->allows(CKA_SIGN) || !key->allows_mechanism(choice.type)) {
    throw Error(CKR_KEY_FUNCTION_NOT_PERMITTED, std::string("the key may not sign with ") +
                                                    mechanism.name +
                                                    " (CKA_SIGN, CKA_ALLOWED_MECHANISMS)");
  }
  const SignatureScheme scheme = signature_scheme(mechanism, choice, half.spec());
  const SignInput input = device.sign_input(scheme.scheme, scheme.hash);
  if (input == SignInput::unsupported) {
    throw Error(CKR_MECHANISM_PARAM_INVALID,
                std::string("the device does not do ") + mechanism.name + " with this hash");
  }
  const Hash input_hash = input == SignInput::digest ? mechanism.hash : Hash::none;
  return {SignatureOperation(std::move(key), mechanism, scheme, input_hash), epoch};
}

void Session::check_access(const Signing& signing) const {
  check_open();
  if (token_->login_epoch() != signing.login_epoch || !token_->has_user_access()) {
    throw Error(CKR_USER_NOT_LOGGED_IN, "the login under which the operation began has ended");
  }
}

std::size_t Session::sign_on_device(const Signing& signing, ByteView input, ByteSpan out,
                                    bool& key_lost) const {
  // Signed into memory of our own: nothing reaches the caller before the last check.
  std::array<std::uint8_t, kMaxSignature> signature;
  SessionKey::Use use(*signing.operation.key().session_key());
  std::size_t size = 0;
  try {
    size = ask_device([&] { return use.sign({signing.operation.scheme(), input}, signature); });
  } catch (const Error& error) {
    key_lost = error.rv() == CKR_DEVICE_REMOVED;
    throw;
  }
  try {
    check_access(signing);
    if (signing.operation.key().retired()) {
      throw Error(CKR_OPERATION_NOT_INITIALIZED, "the key was destroyed while it signed");
    }
    if (out.size() < size) throw Error(CKR_BUFFER_TOO_SMALL, "the signature does not fit");
  } catch (const Error& error) {
    zeroise(signature);
    // A token that is taken away during a call is another answer than one that was gone before.
    if (error.rv() != CKR_SESSION_HANDLE_INVALID) throw;
    throw Error(CKR_DEVICE_REMOVED, error.what());
  }
  std::memcpy(out.data(), signature.data(), size);
  return size;
}

std::size_t Session::make_signature(const Signing& signing, ByteView input, ByteSpan out) {
  check_access(signing);
  signing.operation.check_input_size(input, signing.operation.key().session_key()->public_key());
  bool key_lost = false;
  try {
    return sign_on_device(signing, input, out, key_lost);
  } catch (const Error&) {
    // The device lost the key, and with it whatever else the task had there. Ending a task waits
    // for the uses of its keys, so this one had to be over first.
    if (key_lost) token_->task().end(TaskState::lost);
    throw;
  }
}

void Session::sign_init(const MechanismChoice& choice, ObjectHandle key) {
  const std::scoped_lock lock(mutex_);
  if (sign_) throw Error(CKR_OPERATION_ACTIVE, "a signing operation is active already");
  sign_ = begin_signing(choice, key);
}

std::size_t Session::signature_size() {
  const std::scoped_lock lock(mutex_);
  if (!sign_) no_operation();
  check_access(*sign_);
  return size_of(sign_->operation);
}

std::size_t Session::sign(ByteView data, ByteSpan out) {
  const std::scoped_lock lock(mutex_);
  if (!sign_ || sign_->operation.updated()) no_operation();
  const std::size_t size = make_signature(*sign_, sign_->operation.one_part(data), out);
  sign_.reset();
  return size;
}

void Session::sign_update(ByteView part) {
  const std::scoped_lock lock(mutex_);
  if (!sign_) no_operation();
  check_access(*sign_);
  sign_->operation.update(part);
}

std::size_t Session::sign_final(ByteSpan out) {
  const std::scoped_lock lock(mutex_);
  if (!sign_) no_operation();
  const std::size_t size = make_signature(*sign_, sign_->operation.all_parts(), out);
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
  if (!message_sign_) no_operation();
  check_access(message_sign_->prototype);
  return size_of(message_sign_->prototype.operation);
}

std::size_t Session::sign_message(ByteView data, ByteSpan out) {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_) no_operation();
  if (message_sign_->message)
    throw Error(CKR_OPERATION_ACTIVE, "a message is being signed already");
  Signing message = message_sign_->prototype.fresh();
  return make_signature(message, message.operation.one_part(data), out);
}

void Session::sign_message_begin() {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_) no_operation();
  check_access(message_sign_->prototype);
  if (message_sign_->message)
    throw Error(CKR_OPERATION_ACTIVE, "a message is being signed already");
  message_sign_->message.emplace(message_sign_->prototype.fresh());
}

void Session::sign_message_next(ByteView part) {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_ || !message_sign_->message) no_operation();
  check_access(*message_sign_->message);
  message_sign_->message->operation.update(part);
}

std::size_t Session::sign_message_last(ByteView part, ByteSpan out) {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_ || !message_sign_->message) no_operation();
  Signing message = std::move(*message_sign_->message);
  message_sign_->message.reset();
  message.operation.update(part);
  return make_signature(message, message.operation.all_parts(), out);
}

void Session::message_sign_final() {
  const std::scoped_lock lock(mutex_);
  if (!message_sign_) no_operation();
  if (message_sign_->message) throw Error(CKR_OPERATION_ACTIVE, "a message is being signed still");
  message_sign_.reset();
}

}  // namespace mayfly
