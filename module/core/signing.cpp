#include "core/signing.h"

#include <array>
#include <chrono>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/safeguard.h"
#include "base/secret.h"
#include "core/device_answer.h"
#include "core/task_keeper.h"
#include "core/task_ledger.h"

namespace mayfly {
namespace {

void check_access(const Token& token, const StillOpen& still_open, const Signing& signing) {
  still_open();
  check_login(token, signing);
}

/// What is known of a signature that was asked for.
struct Attempt {
  bool made = false;  ///< false: certainly there is none
  bool key_lost = false;
};

std::size_t ask_for_signature(const Task& task, SessionKey::Use& use, const Signing& signing,
                              ByteView input, ByteSpan out, Attempt& attempt) {
  const SignatureOperation& operation = signing.operation;
  const auto sign = [&] {
    return task.keeper().sign(use, {operation.scheme(), input, operation.mechanism().type}, out);
  };
  attempt.made = true;  // until the contrary is known
  try {
    if (!task.meter().begin_signature()) return sign();
    const auto begin = std::chrono::steady_clock::now();
    const std::size_t size = sign();
    task.meter().timed(std::chrono::steady_clock::now() - begin);
    return size;
  } catch (const Error& error) {
    attempt.made = !is_refusal_to_sign(error.rv());
    attempt.key_lost = error.rv() == CKR_DEVICE_REMOVED;
    task.meter().no_signature();
    throw;
  }
}

/// What may still keep a signature from whoever asked for it.
void check_given_out(const Token& token, const StillOpen& still_open, const Signing& signing,
                     std::size_t room, std::size_t size) {
  // A task that another process holds may be known as exhausted before its last signatures have
  // come from there. They were counted, so they reach who asked for them. A task of this process
  // is not exhausted before each signature under way is counted.
  if (token.task().state() != TaskState::exhausted) {
    try {
      check_access(token, still_open, signing);
    } catch (const Error& error) {
      // A token that is taken away during a call is another answer than one that was gone before.
      if (error.rv() != CKR_SESSION_HANDLE_INVALID) throw;
      throw Error(CKR_DEVICE_REMOVED, error.what());
    }
    if (signing.operation.key().retired()) {
      throw Error(CKR_OPERATION_NOT_INITIALIZED, "the key was destroyed while it signed");
    }
  }
  if (room < size) throw Error(CKR_BUFFER_TOO_SMALL, "the signature does not fit");
}

std::size_t sign_on_device(const Token& token, const StillOpen& still_open, const Signing& signing,
                           ByteView input, ByteSpan out, Attempt& attempt) {
  TaskLedger& ledger = token.task().ledger();
  // Signed into memory of our own: nothing reaches the caller before the last check, nor before it
  // is in the ledger.
  std::array<std::uint8_t, kMaxSignatureSize> signature;
  std::size_t size = 0;
  std::optional<SessionKey::Use> use;
  ledger.witness("signing", [&] { use.emplace(*signing.operation.key().session_key()); });
  try {
    size = ask_for_signature(token.task(), *use, signing, input, signature, attempt);
    check_given_out(token, still_open, signing, out.size(), size);
  } catch (const Error& error) {
    zeroise(signature);
    ledger.not_signed(signing.operation, input, size != 0, error);
    throw;
  }
  try {
    ledger.signed_with(signing.operation, input);
  } catch (...) {
    zeroise(signature);
    throw;
  }
  std::memcpy(out.data(), signature.data(), size);
  return size;
}

Signing checked_signing(const Token& token, const MechanismChoice& choice, ObjectHandle handle) {
  if (!token.has_user_access()) throw Error(CKR_USER_NOT_LOGGED_IN, "signing needs a login");
  const std::uint64_t epoch = token.login_epoch();
  Device& device = token.task().device();
  const Mechanism& mechanism =
      token.shown_keys().require_mechanism(choice.type, MechanismUse::sign, token.task().offer());
  std::shared_ptr<Object> key = token.key(handle);
  if (key->session_key() == nullptr) {
    throw Error(CKR_KEY_HANDLE_INVALID, "the object is no private key");
  }
  const PublicKey& half = key->session_key()->public_key();
  if (half.spec().type != mechanism.key_type) {
    throw Error(
        CKR_KEY_TYPE_INCONSISTENT,
        std::string(mechanism.name) + " does not go with a key of " + to_string(half.spec()));
  }
  if ((!key->allows(CKA_SIGN) || !key->allows_mechanism(choice.type)) &&
      kept(Safeguard::key_usage)) {
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
  device.check_parameters(scheme);
  const Hash input_hash = input == SignInput::digest ? mechanism.hash : Hash::none;
  return {SignatureOperation(std::move(key), mechanism, scheme, input_hash), epoch};
}

}  // namespace

Signing begin_signing(const Token& token, const MechanismChoice& choice, ObjectHandle key) {
  return token.task().ledger().witness("signing",
                                       [&] { return checked_signing(token, choice, key); });
}

void check_login(const Token& token, const Signing& signing) {
  if ((token.login_epoch() != signing.login_epoch && kept(Safeguard::login)) ||
      !token.has_user_access()) {
    throw Error(CKR_USER_NOT_LOGGED_IN, "the login under which the operation began has ended");
  }
}

std::size_t make_signature(const Token& token, const StillOpen& still_open, const Signing& signing,
                           ByteView input, ByteSpan out) {
  Task& task = token.task();
  task.ledger().require_written();
  task.ledger().witness("signing", [&] {
    check_access(token, still_open, signing);
    signing.operation.check_input_size(input, signing.operation.key().session_key()->public_key());
    task.permit_signature();
  });
  Attempt attempt;
  // Either may end the task, which waits for the uses of its keys: this one is over by then.
  const auto settle = [&]() noexcept {
    // The device lost the key, and with it whatever else the task had there.
    if (attempt.key_lost) task.end(task.keeper().cause_of_loss());
    task.settle_signature(attempt.made);
  };
  try {
    const std::size_t size = sign_on_device(token, still_open, signing, input, out, attempt);
    settle();
    return size;
  } catch (...) {
    settle();
    throw;
  }
}

std::size_t sign_prepared(const Token& token, const MechanismChoice& choice, ObjectHandle key,
                          ByteView input, ByteSpan out) {
  const auto still_open = [&token] { token.check_alive(); };
  TaskLedger& ledger = token.task().ledger();
  ledger.witness("signing", still_open);
  const Signing signing = begin_signing(token, choice, key);
  ledger.witness("signing", [&] { signing.operation.check_prepared(input); });
  return make_signature(token, still_open, signing, input, out);
}

}  // namespace mayfly
