// Session: objects, searches and key generation.
#include "base/error.h"
#include "core/attribute_rules.h"
#include "core/key_template.h"
#include "core/session.h"

namespace mayfly {

void Session::check_may_make(const Attributes& wanted) const {
  if (!read_write_ && wanted.flag(CKA_TOKEN).value_or(false)) {
    throw Error(CKR_SESSION_READ_ONLY, "a read-only session makes session objects only");
  }
  if (wanted.flag(CKA_PRIVATE).value_or(false) && !token_->has_user_access()) {
    throw Error(CKR_USER_NOT_LOGGED_IN, "private objects need a login");
  }
}

void Session::check_may_change(const Object& object) const {
  if (!read_write_ && object.is_token_object()) {
    throw Error(CKR_SESSION_READ_ONLY, "a read-only session can't change token objects");
  }
}

std::shared_ptr<Object> Session::object(ObjectHandle handle) const {
  check_open();
  return token_->object(handle);
}

ObjectHandle Session::create_object(const Attributes& wanted) {
  check_open();
  check_may_make(wanted);
  return token_->add(make_object(wanted, token_->task()), handle_);
}

ObjectHandle Session::copy_object(ObjectHandle original, const Attributes& changes) {
  const std::shared_ptr<Object> source = object(original);
  if (changes.flag(CKA_PRIVATE).value_or(source->is_private()) && !token_->has_user_access()) {
    throw Error(CKR_USER_NOT_LOGGED_IN, "private objects need a login");
  }
  if (!read_write_ && changes.flag(CKA_TOKEN).value_or(source->is_token_object())) {
    throw Error(CKR_SESSION_READ_ONLY, "a read-only session makes session objects only");
  }
  return token_->add(make_copy(*source, changes, token_->task()), handle_);
}

void Session::destroy_object(ObjectHandle handle) {
  const std::shared_ptr<Object> doomed = object(handle);
  check_may_change(*doomed);
  if (!doomed->allows(CKA_DESTROYABLE)) {
    throw Error(CKR_ACTION_PROHIBITED, "the object is not CKA_DESTROYABLE; it ends with its task");
  }
  token_->destroy(doomed);
}

void Session::set_attributes(ObjectHandle handle, const Attributes& changes) {
  const std::shared_ptr<Object> target = object(handle);
  check_may_change(*target);
  if (!target->allows(CKA_MODIFIABLE)) {
    throw Error(CKR_ACTION_PROHIBITED, "the object is not CKA_MODIFIABLE");
  }
  const Attributes current = target->attributes();
  check_changes(rules_of(target->object_class(), current.number(CKA_KEY_TYPE).value_or(0)), current,
                changes, false);
  token_->store_of(*target).update(*target, changes);
}

void Session::find_init(const Attributes& wanted) {
  check_open();
  const std::scoped_lock lock(mutex_);
  if (find_) throw Error(CKR_OPERATION_ACTIVE, "a search is active already");
  find_ = FindOperation{token_->find(wanted), 0};
}

std::vector<ObjectHandle> Session::find_next(std::size_t most) {
  check_open();
  const std::scoped_lock lock(mutex_);
  if (!find_) throw Error(CKR_OPERATION_NOT_INITIALIZED, "no search is active");
  const auto first = find_->found.begin() + static_cast<std::ptrdiff_t>(find_->next);
  const std::size_t count = std::min(most, find_->found.size() - find_->next);
  find_->next += count;
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

void Session::find_final() {
  check_open();
  const std::scoped_lock lock(mutex_);
  if (!find_) throw Error(CKR_OPERATION_NOT_INITIALIZED, "no search is active");
  find_.reset();
}

std::shared_ptr<KeyScope> Session::scope() {
  const std::scoped_lock lock(scope_mutex_);
  if (scope_ == nullptr) scope_ = token_->task().open_scope();
  return scope_;
}

Session::KeyPairHandles Session::generate_key_pair(CK_MECHANISM_TYPE mechanism_type,
                                                   const Attributes& public_wanted,
                                                   const Attributes& private_wanted) {
  check_open();
  Task& task = token_->task();
  const Mechanism& mechanism =
      require_mechanism(mechanism_type, MechanismUse::generate, task.device());
  KeyPairTemplate pair = key_pair_template(mechanism, public_wanted, private_wanted, task);
  check_may_make(pair.public_key);
  check_may_make(pair.private_key);

  const std::shared_ptr<SessionKey> key = task.generate(*scope(), pair.spec);
  std::shared_ptr<Object> public_half;
  try {
    complete_key_pair(pair, key->public_key(), mechanism, task);
    public_half = std::make_shared<Object>(std::move(pair.public_key), key->public_key());
    const auto private_half = std::make_shared<Object>(std::move(pair.private_key), key);
    const ObjectHandle public_handle = token_->add(public_half, handle_);
    return {public_handle, token_->add(private_half, handle_)};
  } catch (...) {
    if (public_half != nullptr) token_->discard(public_half);
    task.destroy(key);
    throw;
  }
}

}  // namespace mayfly
