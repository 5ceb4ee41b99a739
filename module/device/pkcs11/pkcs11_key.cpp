#include "device/pkcs11/pkcs11_key.h"

#include <utility>

#include "base/error.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/key_destruction.h"

namespace mayfly::pkcs11 {

Pkcs11Key::Pkcs11Key(std::shared_ptr<DeviceContext> context, KeyRecords& record,
                     PublicKey public_key)
    : context_(std::move(context)),
      handover_(std::move(record)),
      record_(handover_.front()),
      public_key_(std::move(public_key)) {}

Pkcs11Key::~Pkcs11Key() {
  if (!record_->destroyed && context_->usable()) context_->pending.add(std::move(handover_));
}

std::size_t Pkcs11Key::sign(const SignRequest& request, ByteSpan out) {
  if (lost()) fail(CKR_KEY_HANDLE_INVALID);
  SignCall call(context_->mechanisms, public_key_.spec(), request);
  const Result result = sign_somewhere(call, out);
  if (result.rv != CKR_OK) fail(result.rv);
  if (result.size != public_key_.signature_size() || result.size > out.size()) {
    throw Error(CKR_DEVICE_ERROR, "the device made a signature of an impossible length");
  }
  return result.size;
}

bool Pkcs11Key::lost() const noexcept {
  return lost_ || record_->destroyed || record_->session->gone || record_->session->lost ||
         !context_->usable();
}

Pkcs11Key::Result Pkcs11Key::sign_somewhere(SignCall& call, ByteSpan out) {
  DeviceSession& home = *record_->session;
  std::unique_lock lock(home.mutex, std::try_to_lock);
  if (lock) return sign_at_home(call, out);
  {
    SessionPool::Lease lease = context_->sessions.lend();
    if (lease && outlived(lease.session())) {
      const Result result = run(call, lease.session().handle, out);
      if (result.rv != CKR_OPERATION_ACTIVE && !says_session_dead(result.rv)) return result;
      lease.discard();
    }
  }
  // What the borrowed session could not do proves nothing about the key; its own session does.
  lock.lock();
  return sign_at_home(call, out);
}

Pkcs11Key::Result Pkcs11Key::sign_at_home(SignCall& call, ByteSpan out) {
  DeviceSession& home = *record_->session;
  if (home.gone) return {CKR_SESSION_HANDLE_INVALID, 0};
  Result result = run(call, home.handle, out);
  if (result.rv == CKR_OPERATION_ACTIVE) {
    cancel_signing(context_->functions, home.handle);
    result = run(call, home.handle, out);
  }
  if (says_session_dead(result.rv)) {
    home.lost = true;
    context_->sessions.bury_if_dead(home);
  }
  return result;
}

Pkcs11Key::Result Pkcs11Key::run(SignCall& call, CK_SESSION_HANDLE session, ByteSpan out) {
  CK_ULONG size = out.size();
  const CK_RV rv = call.run(context_->functions, session, record_->private_key, out, size);
  return {rv, size};
}

/// Whether the key's session is still alive, now that a session is there that may have been opened
/// after it. If the device was restarted between the two, this key is gone and its handle may name
/// somebody else's key by now. One question to the device for each such pair, then it is known.
bool Pkcs11Key::outlived(const DeviceSession& younger) {
  DeviceSession& home = *record_->session;
  if (home.proven >= younger.number) return true;
  CK_SESSION_INFO info{};
  if (context_->functions->C_GetSessionInfo(home.handle, &info) != CKR_OK) return false;
  home.proven = younger.number;
  return true;
}

void Pkcs11Key::fail(CK_RV rv) {
  if (!says_key_lost(rv)) check(rv, "signing on the device");
  lost_ = true;
  if (says_device_away(rv) || rv == CKR_USER_NOT_LOGGED_IN) record_->session->lost = true;
  throw Error(CKR_DEVICE_REMOVED, "the device lost the key: " + describe(rv));
}

Destruction Pkcs11Key::destroy() noexcept {
  const std::lock_guard lock(destroying_);
  if (!handover_.empty() && context_->usable()) {
    if (!destroy_key_pair(context_->functions, context_->sessions, *record_, Patience::wait)) {
      context_->pending.add(std::move(handover_));
    }
    handover_.clear();
  }
  return record_->destroyed || record_->session->gone ? Destruction::destroyed
                                                      : Destruction::pending;
}

}  // namespace mayfly::pkcs11
