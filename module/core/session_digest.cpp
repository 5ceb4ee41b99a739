// Session: digests, in libcrypto.
#include "base/error.h"
#include "core/session.h"

namespace mayfly {
namespace {

[[noreturn]] void no_digest() { throw Error(CKR_OPERATION_NOT_INITIALIZED, "no digest is active"); }

}  // namespace

void Session::digest_init(const MechanismChoice& choice) {
  check_open();
  const std::scoped_lock lock(mutex_);
  if (digest_) throw Error(CKR_OPERATION_ACTIVE, "a digest is active already");
  digest_.emplace(token_->task().offer().require(choice.type, MechanismUse::digest).hash);
  digest_updated_ = false;
}

std::size_t Session::digest_size() {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!digest_) no_digest();
  return digest_->size();
}

Bytes Session::digest(ByteView data) {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!digest_ || digest_updated_) no_digest();
  digest_->update(data);
  Bytes result = digest_->finish();
  digest_.reset();
  return result;
}

void Session::digest_update(ByteView part) {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!digest_) no_digest();
  digest_->update(part);
  digest_updated_ = true;
}

Bytes Session::digest_final() {
  const std::scoped_lock lock(mutex_);
  check_open();
  if (!digest_) no_digest();
  Bytes result = digest_->finish();
  digest_.reset();
  return result;
}

}  // namespace mayfly
