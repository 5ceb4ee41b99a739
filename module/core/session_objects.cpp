// Session: objects, searches and key generation.
#include "base/error.h"
#include "core/session.h"
#include "core/task_keeper.h"
#include "core/task_ledger.h"

namespace mayfly {

std::shared_ptr<Object> Session::object(ObjectHandle handle) const {
  check_open();
  return token_->object(handle);
}

ObjectHandle Session::create_object(const Attributes& wanted) {
  check_open();
  return token_->task().ledger().witness(
      "making an object", [&] { return token_->task().keeper().create(*this, wanted); });
}

ObjectHandle Session::copy_object(ObjectHandle original, const Attributes& changes) {
  return token_->task().ledger().witness("copying an object", [&] {
    return token_->task().keeper().copy(*this, *object(original), changes);
  });
}

void Session::destroy_object(ObjectHandle handle) {
  TaskLedger& ledger = token_->task().ledger();
  ledger.witness("destroying an object",
                 [&] { token_->task().keeper().destroy(*this, object(handle)); });
  ledger.require_written();
}

void Session::set_attributes(ObjectHandle handle, const Attributes& changes) {
  token_->task().ledger().witness("changing an object", [&] {
    token_->task().keeper().change(*this, *object(handle), changes);
  });
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

KeyPairHandles Session::generate_key_pair(CK_MECHANISM_TYPE mechanism,
                                          const Attributes& public_wanted,
                                          const Attributes& private_wanted) {
  check_open();
  return token_->task().ledger().witness("making a key", [&] {
    return token_->task().keeper().generate(*this, mechanism, public_wanted, private_wanted);
  });
}

}  // namespace mayfly
