#include "device/pkcs11/stored_key.h"

#include <utility>

#include "base/error.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {
namespace {

/// A session can be dead, or the login forgotten, each once without harm.
constexpr int kDestroyAttempts = 3;

}  // namespace

StoredKey::StoredKey(std::shared_ptr<DeviceContext> context, std::shared_ptr<const void> scope,
                     std::shared_ptr<StoredKeyEntry> entry, const Whereabouts& whereabouts,
                     PublicKey public_key)
    : context_(std::move(context)),
      public_key_(std::move(public_key)),
      scope_(std::move(scope)),
      entry_(std::move(entry)),
      whereabouts_(whereabouts) {}

StoredKey::~StoredKey() {
  if (context_->usable()) context_->stored->owe(*entry_);
}

std::size_t StoredKey::sign(const SignRequest& request, ByteSpan out) {
  SignCall call(context_->mechanisms, public_key_.spec(), request);
  CK_ULONG size = 0;
  CK_RV rv = CKR_KEY_HANDLE_INVALID;
  for (int attempt = 0;
       attempt < kDestroyAttempts && context_->usable() && !entry_->destroyed && !entry_->owed;
       ++attempt) {
    rv = try_sign(call, out, size);
    if (rv == CKR_OK) break;
    if (!says_key_lost(rv) && rv != CKR_OPERATION_ACTIVE) break;
  }
  if (entry_->destroyed || entry_->owed) {
    throw Error(CKR_DEVICE_REMOVED, "the key is destroyed, or is to be");
  }
  if (says_key_lost(rv)) {
    throw Error(CKR_DEVICE_REMOVED, "the device does not give the key: " + describe(rv));
  }
  check(rv, "signing on the device");
  if (size != public_key_.signature_size() || size > out.size()) {
    throw Error(CKR_DEVICE_ERROR, "the device made a signature of an impossible length");
  }
  return size;
}

CK_RV StoredKey::try_sign(SignCall& call, ByteSpan out, CK_ULONG& size) {
  SessionPool::Lease lease = context_->sessions.lend();
  if (!lease) return CKR_SESSION_COUNT;
  const CK_SESSION_HANDLE session = lease.session().handle;
  size = out.size();
  try {
    const CK_OBJECT_HANDLE key = handle(lease.session());
    if (key == CK_INVALID_HANDLE) return CKR_KEY_HANDLE_INVALID;
    const CK_RV rv = call.run(context_->functions, session, key, out, size);
    // Whatever went wrong with the session or the handle, the next attempt has neither.
    if (rv == CKR_OPERATION_ACTIVE || says_key_lost(rv)) {
      lease.discard();
      forget_handle();
    }
    return rv;
  } catch (const Error& error) {
    lease.discard();
    if (says_key_lost(error.rv())) return error.rv();
    throw;
  }
}

void StoredKey::forget_handle() {
  const std::lock_guard lock(finding_);
  whereabouts_.handle = CK_INVALID_HANDLE;
}

CK_OBJECT_HANDLE StoredKey::handle(const DeviceSession& session) {
  const std::lock_guard lock(finding_);
  const std::uint64_t losses = context_->sessions.losses();
  if (whereabouts_.handle == CK_INVALID_HANDLE || whereabouts_.losses != losses ||
      whereabouts_.session < session.number) {
    whereabouts_.handle = context_->stored->find_private_key(session.handle, entry_->name);
    whereabouts_.losses = losses;
    whereabouts_.session = session.number;
  }
  return whereabouts_.handle;
}

Destruction StoredKey::destroy() noexcept {
  const std::lock_guard lock(destroying_);
  if (scope_ != nullptr && context_->usable()) {
    if (!context_->stored->destroy(*entry_)) context_->stored->owe(*entry_);
    scope_.reset();
  }
  return entry_->destroyed ? Destruction::destroyed : Destruction::pending;
}

}  // namespace mayfly::pkcs11
