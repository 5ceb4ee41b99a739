#include "device/pkcs11/key_destruction.h"

#include "device/pkcs11/answers.h"

namespace mayfly::pkcs11 {
namespace {

/// Whether the key is gone; its session is locked.
bool destroy(CK_FUNCTION_LIST_PTR functions, SessionPool& sessions, const KeyRecord& record) {
  DeviceSession& session = *record.session;
  if (session.gone) return true;
  const CK_RV rv = functions->C_DestroyObject(session.handle, record.private_key);
  if (says_session_dead(rv)) {
    sessions.bury(session);
    return true;
  }
  const bool gone = rv == CKR_OK || says_key_dead(rv);
  if (session.keys == 1) {
    // The public key goes with the session, and so does a private key that would not go alone.
    if (sessions.close(session) == CKR_OK) return true;
  } else if (gone) {
    functions->C_DestroyObject(session.handle, record.public_key);
  }
  if (gone) --session.keys;
  return gone;
}

}  // namespace

bool destroy_key_pair(CK_FUNCTION_LIST_PTR functions, SessionPool& sessions, KeyRecord& record,
                      Patience patience) noexcept {
  std::unique_lock lock(record.session->mutex, std::defer_lock);
  if (patience == Patience::wait) {
    lock.lock();
  } else if (!lock.try_lock()) {
    return false;
  }
  return destroy_key_pair_locked(functions, sessions, record);
}

bool destroy_key_pair_locked(CK_FUNCTION_LIST_PTR functions, SessionPool& sessions,
                             KeyRecord& record) noexcept {
  record.destroyed = record.destroyed || destroy(functions, sessions, record);
  return record.destroyed;
}

}  // namespace mayfly::pkcs11
