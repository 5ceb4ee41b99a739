#include "device/pkcs11/pkcs11_scope.h"

#include <utility>

#include "base/error.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/key_destruction.h"
#include "device/pkcs11/pkcs11_key.h"

namespace mayfly::pkcs11 {
namespace {

/// Sessions can vanish between choosing and locking one; not that often in a row.
constexpr int kAttempts = 4;

/// Closes a session in which no key was made, at the end of a block that holds its mutex.
class NoEmptySession {
 public:
  NoEmptySession(SessionPool& sessions, DeviceSession& session)
      : sessions_(sessions), session_(session) {}
  ~NoEmptySession() {
    if (session_.keys == 0 && !session_.gone) sessions_.discard(session_);
  }
  NoEmptySession(const NoEmptySession&) = delete;
  NoEmptySession& operator=(const NoEmptySession&) = delete;

 private:
  SessionPool& sessions_;
  DeviceSession& session_;
};

}  // namespace

Pkcs11Scope::Pkcs11Scope(std::shared_ptr<DeviceContext> context) noexcept
    : context_(std::move(context)) {
  ++context_->open_scopes;
}

Pkcs11Scope::~Pkcs11Scope() { --context_->open_scopes; }

std::unique_ptr<DeviceKey> Pkcs11Scope::generate(const KeySpec& spec, const LastCheck& last_check) {
  if (const CK_RV obstacle = context_->mechanisms.obstacle(spec); obstacle != CKR_OK) {
    throw Error(obstacle, "the device can't make key pairs of the kind " + to_string(spec));
  }
  const std::lock_guard lock(mutex_);
  // Made before the key, so that a key never exists without a record of it.
  KeyRecords record(1, std::make_shared<KeyRecord>());
  record.front()->scope = shared_from_this();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (!context_->usable()) throw Error(CKR_DEVICE_REMOVED, "the device was closed");
    choose_session();
    if (auto key = try_generate(spec, last_check, record)) return key;
  }
  throw Error(CKR_DEVICE_REMOVED, "the device loses its sessions as soon as they are opened");
}

void Pkcs11Scope::choose_session() {
  if (session_ != nullptr && session_->lost) {
    throw Error(CKR_DEVICE_REMOVED, "the device lost the session that this owner's keys were in");
  }
  if (session_ == nullptr || session_->gone) session_ = context_->sessions.holder();
}

/// @return null when another attempt, in another session, may do better.
std::unique_ptr<DeviceKey> Pkcs11Scope::try_generate(const KeySpec& spec,
                                                     const LastCheck& last_check,
                                                     KeyRecords& record) {
  const std::unique_lock lock(session_->mutex);
  if (session_->gone) return nullptr;
  const NoEmptySession guard(context_->sessions, *session_);
  last_check();
  const KeyTemplates templates{nullptr, context_->other_usages_off};
  NewKeyPair made;
  CK_RV rv = generate_key_pair(context_->functions, session_->handle, spec, templates, made);
  if (rv == CKR_USER_NOT_LOGGED_IN && session_->keys == 0) {
    context_->login.log_in(session_->handle);
    rv = generate_key_pair(context_->functions, session_->handle, spec, templates, made);
  }
  if (rv == CKR_OK) return take_over(spec, made, record);
  if (may_retry(rv)) return nullptr;
  if (says_key_lost(rv)) {
    throw Error(CKR_DEVICE_REMOVED, "the device is gone, or lost its session: " + describe(rv));
  }
  check(rv, "making a key pair on the device");
  return nullptr;
}

std::unique_ptr<DeviceKey> Pkcs11Scope::take_over(const KeySpec& spec, const NewKeyPair& made,
                                                  KeyRecords& record) {
  KeyRecord& entry = *record.front();
  entry.session = session_;
  entry.private_key = made.handles.private_key;
  entry.public_key = made.handles.public_key;
  ++session_->keys;
  try {
    return std::make_unique<Pkcs11Key>(context_, record, made.answers.judge(spec));
  } catch (...) {
    if (!destroy_key_pair_locked(context_->functions, context_->sessions, entry)) {
      context_->pending.add(std::move(record));
    }
    throw;
  }
}

/// Draws the consequences of a refusal for the session.
bool Pkcs11Scope::may_retry(CK_RV rv) {
  if (rv == CKR_SESSION_READ_ONLY && !session_->read_write) {
    context_->sessions.open_read_write();
    return session_->keys == 0;
  }
  if (session_->keys > 0 && says_key_lost(rv)) session_->lost = true;
  if (!says_session_dead(rv)) return false;
  context_->sessions.bury_if_dead(*session_);
  return !session_->lost;
}

}  // namespace mayfly::pkcs11
