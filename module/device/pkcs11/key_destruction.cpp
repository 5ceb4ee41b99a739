#include "device/pkcs11/key_destruction.h"

#include "device/pkcs11/answers.h"

namespace mayfly::pkcs11 {
namespace {

/// Whether the device, asked once more, has no such key: its word that a key is gone is believed
/// when it gives it twice.
bool is_absent(CK_FUNCTION_LIST_PTR functions, const KeyRecord& record) {
  CK_OBJECT_CLASS object_class = 0;
  CK_ATTRIBUTE attribute = {CKA_CLASS, &object_class, sizeof object_class};
  return says_key_dead(
      functions->C_GetAttributeValue(record.session->handle, record.private_key, &attribute, 1));
}

/// Whether the key is gone; its session is locked.
bool destroy(CK_FUNCTION_LIST_PTR functions, SessionPool& sessions, const KeyRecord& record) {
  DeviceSession& session = *record.session;
  if (session.gone) return true;
  const CK_RV rv = functions->C_DestroyObject(session.handle, record.private_key);
  if (says_session_dead(rv) && sessions.bury_if_dead(session)) return true;
  const bool gone = rv == CKR_OK || (says_key_dead(rv) && is_absent(functions, record));
  // The public key goes with the session, and so does a private key that would not go alone.
  if (session.keys == 1 && sessions.close(session) == CKR_OK) return true;
  if (!gone) return false;
  functions->C_DestroyObject(session.handle, record.public_key);
  if (--session.keys == 0) sessions.abandon(session);
  return true;
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
