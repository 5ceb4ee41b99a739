#include "core/local_keeper.h"

#include <cstdint>
#include <memory>

#include "base/error.h"
#include "base/safeguard.h"
#include "core/attestation.h"
#include "core/attribute_rules.h"
#include "core/device_answer.h"
#include "core/key_template.h"
#include "core/session.h"
#include "core/task_ledger.h"

namespace mayfly {
namespace {

void check_may_make(const Session& session, const Attributes& wanted) {
  if (!session.read_write() && wanted.flag(CKA_TOKEN).value_or(false)) {
    throw Error(CKR_SESSION_READ_ONLY, "a read-only session makes session objects only");
  }
  if (wanted.flag(CKA_PRIVATE).value_or(false) && !session.token().has_user_access()) {
    throw Error(CKR_USER_NOT_LOGGED_IN, "private objects need a login");
  }
}

/// Adds an object that was made. A private one is taken back if the login under which that began
/// ended meanwhile: a logout counts up before it looks for what is private, and here it is the
/// other way round, so that one of the two sees the other.
ObjectHandle add(const Session& session, const std::shared_ptr<Object>& object,
                 std::uint64_t login_epoch) {
  Token& token = session.token();
  const ObjectHandle handle = token.add(object, session.handle());
  if (object->is_private() && token.login_epoch() != login_epoch && kept(Safeguard::login)) {
    token.discard(object);
    throw Error(CKR_USER_NOT_LOGGED_IN, "the login under which the object was made has ended");
  }
  return handle;
}

void check_may_change(const Session& session, const Object& object) {
  if (!session.read_write() && object.is_token_object()) {
    throw Error(CKR_SESSION_READ_ONLY, "a read-only session can't change token objects");
  }
}

}  // namespace

TaskStatus LocalKeeper::status(Task& task) {
  return {task.state(), task.key_count(), task.login_flags(), task.deadline()};
}

void LocalKeeper::login(Task& task, SessionHandle, ByteView pin) {
  task.ledger().witness("login", [&] { task.check_pin(pin); });
}

ObjectHandle LocalKeeper::create(Session& session, const Attributes& wanted) {
  Token& token = session.token();
  const std::uint64_t epoch = token.login_epoch();
  check_may_make(session, wanted);
  return add(session, make_object(wanted, token.task()), epoch);
}

ObjectHandle LocalKeeper::copy(Session& session, const Object& original,
                               const Attributes& changes) {
  Token& token = session.token();
  const std::uint64_t epoch = token.login_epoch();
  if (changes.flag(CKA_PRIVATE).value_or(original.is_private()) && !token.has_user_access()) {
    throw Error(CKR_USER_NOT_LOGGED_IN, "private objects need a login");
  }
  if (!session.read_write() && changes.flag(CKA_TOKEN).value_or(original.is_token_object())) {
    throw Error(CKR_SESSION_READ_ONLY, "a read-only session makes session objects only");
  }
  return add(session, make_copy(original, changes, token.task()), epoch);
}

KeyPairHandles LocalKeeper::generate(Session& session, CK_MECHANISM_TYPE mechanism_type,
                                     const Attributes& public_wanted,
                                     const Attributes& private_wanted) {
  Token& token = session.token();
  const std::uint64_t epoch = token.login_epoch();
  Task& task = token.task();
  const Mechanism& mechanism =
      token.shown_keys().require_mechanism(mechanism_type, MechanismUse::generate, task.offer());
  KeyPairTemplate pair = key_pair_template(mechanism, public_wanted, private_wanted, task);
  check_may_make(session, pair.public_key);
  check_may_make(session, pair.private_key);

  const std::shared_ptr<SessionKey> key = task.generate(*session.scope(), pair.spec);
  std::shared_ptr<Object> public_half;
  try {
    complete_key_pair(pair, key->public_key(), mechanism, task);
    public_half = std::make_shared<Object>(std::move(pair.public_key), key->public_key());
    const auto private_half = std::make_shared<Object>(std::move(pair.private_key), key);
    const ObjectHandle public_handle = add(session, public_half, epoch);
    return {public_handle, add(session, private_half, epoch)};
  } catch (...) {
    if (public_half != nullptr) token.discard(public_half);
    task.destroy(key);
    throw;
  }
}

void LocalKeeper::change(Session& session, Object& object, const Attributes& changes) {
  check_may_change(session, object);
  if (!object.allows(CKA_MODIFIABLE)) {
    throw Error(CKR_ACTION_PROHIBITED, "the object is not CKA_MODIFIABLE");
  }
  const Attributes current = object.attributes();
  check_changes(rules_of(object.object_class(), current.number(CKA_KEY_TYPE).value_or(0)), current,
                changes, false);
  session.token().store_of(object).update(object, changes);
}

void LocalKeeper::destroy(Session& session, const std::shared_ptr<Object>& object) {
  check_may_change(session, *object);
  if (!object->allows(CKA_DESTROYABLE)) {
    throw Error(CKR_ACTION_PROHIBITED, "the object is not CKA_DESTROYABLE; it ends with its task");
  }
  session.token().destroy(object);
}

std::size_t LocalKeeper::sign(SessionKey::Use& key, const SignRequest& request, ByteSpan out) {
  return ask_device([&] { return key.sign(request, out); });
}

std::string LocalKeeper::attest(Task& task, const Object& key, ByteView nonce) {
  return mayfly::attest(task, *key.session_key(), nonce);
}

}  // namespace mayfly
