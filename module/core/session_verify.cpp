// Session: verification, in libcrypto.
#include "base/error.h"
#include "core/session.h"

namespace mayfly {
namespace {

[[noreturn]] void no_verification() {
  throw Error(CKR_OPERATION_NOT_INITIALIZED, "no verification is active");
}

void check_signature(const SignatureOperation& operation, ByteView input, ByteView signature) {
  const PublicKey& key = *operation.key().public_key();
  operation.check_input_size(input, key);
  if (signature.size() != key.signature_size()) {
    throw Error(CKR_SIGNATURE_LEN_RANGE, "the signature has not the length that the key's have");
  }
  if (!key.verify(operation.scheme(), input, signature)) {
    throw Error(CKR_SIGNATURE_INVALID, "the signature is not one of this key over this data");
  }
}

}  // namespace

SignatureOperation Session::begin_verifying(const MechanismChoice& choice,
                                            ObjectHandle handle) const {
  check_open();
  const Mechanism& mechanism = token_->shown_keys().require_mechanism(
      choice.type, MechanismUse::sign, token_->task().offer());
  std::shared_ptr<Object> key = token_->key(handle);
  if (key->public_key() == nullptr) {
    throw Error(CKR_KEY_HANDLE_INVALID, "the object is no public key");
  }
  const KeySpec& spec = key->public_key()->spec();
  if (spec.type != mechanism.key_type) {
    throw Error(CKR_KEY_TYPE_INCONSISTENT,
                std::string(mechanism.name) + " does not go with a key of " + to_string(spec));
  }
  if (!key->allows(CKA_VERIFY) || !key->allows_mechanism(choice.type)) {
    throw Error(CKR_KEY_FUNCTION_NOT_PERMITTED, std::string("the key may not verify with ") +
                                                    mechanism.name +
                                                    " (CKA_VERIFY, CKA_ALLOWED_MECHANISMS)");
  }
  return {std::move(key), mechanism, signature_scheme(mechanism, choice, spec), mechanism.hash};
}

void Session::verify_init(const MechanismChoice& choice, ObjectHandle key) {
  const std::scoped_lock lock(mutex_);
  if (verify_) throw Error(CKR_OPERATION_ACTIVE, "a verification is active already");
  verify_.emplace(begin_verifying(choice, key));
}

void Session::verify(ByteView data, ByteView signature) {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!verify_ || verify_->updated()) no_verification();
  SignatureOperation operation = std::move(*verify_);
  verify_.reset();
  check_signature(operation, operation.one_part(data), signature);
}

void Session::verify_update(ByteView part) {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!verify_) no_verification();
  verify_->update(part);
}

void Session::verify_final(ByteView signature) {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!verify_) no_verification();
  SignatureOperation operation = std::move(*verify_);
  verify_.reset();
  check_signature(operation, operation.all_parts(), signature);
}

void Session::message_verify_init(const MechanismChoice& choice, ObjectHandle key) {
  const std::scoped_lock lock(mutex_);
  if (message_verify_) {
    throw Error(CKR_OPERATION_ACTIVE, "a message-based verification is active already");
  }
  message_verify_.emplace(MessageVerifying{begin_verifying(choice, key), std::nullopt});
}

void Session::verify_message(ByteView data, ByteView signature) {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!message_verify_) no_verification();
  if (message_verify_->message)
    throw Error(CKR_OPERATION_ACTIVE, "a message is being verified already");
  SignatureOperation message = message_verify_->prototype.fresh();
  check_signature(message, message.one_part(data), signature);
}

void Session::verify_message_begin() {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!message_verify_) no_verification();
  if (message_verify_->message)
    throw Error(CKR_OPERATION_ACTIVE, "a message is being verified already");
  message_verify_->message.emplace(message_verify_->prototype.fresh());
}

void Session::verify_message_next(ByteView part) {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!message_verify_ || !message_verify_->message) no_verification();
  message_verify_->message->update(part);
}

void Session::verify_message_last(ByteView part, ByteView signature) {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!message_verify_ || !message_verify_->message) no_verification();
  SignatureOperation message = std::move(*message_verify_->message);
  message_verify_->message.reset();
  message.update(part);
  check_signature(message, message.all_parts(), signature);
}

void Session::message_verify_final() {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!message_verify_) no_verification();
  message_verify_.reset();
}

}  // namespace mayfly
