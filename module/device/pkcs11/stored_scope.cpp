#include "device/pkcs11/stored_scope.h"

#include <utility>

#include "base/error.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/stored_key.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {
namespace {

/// An idle session can have died unnoticed; not several in a row.
constexpr int kAttempts = 3;

}  // namespace

StoredScope::StoredScope(std::shared_ptr<DeviceContext> context, ScopeOwner owner)
    : context_(std::move(context)), owner_(std::move(owner)) {
  ++context_->open_scopes;
}

StoredScope::~StoredScope() { --context_->open_scopes; }

std::unique_ptr<DeviceKey> StoredScope::generate(const KeySpec& spec, const LastCheck& last_check) {
  if (const CK_RV obstacle = context_->mechanisms.obstacle(spec); obstacle != CKR_OK) {
    throw Error(obstacle, "the device can't make key pairs of the kind " + to_string(spec));
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (!context_->usable()) throw Error(CKR_DEVICE_REMOVED, "the device was closed");
    last_check();  // before there is a record that would have to be cleared up
    const std::shared_ptr<StoredKeyEntry> entry = context_->stored->record(owner_);
    try {
      if (auto key = try_generate(spec, last_check, entry)) return key;
    } catch (...) {
      abandon(*entry);
      throw;
    }
    abandon(*entry);
  }
  throw Error(CKR_DEVICE_REMOVED, "the device loses its sessions as soon as they are opened");
}

/// @return null when another attempt, in another session, may do better.
std::unique_ptr<DeviceKey> StoredScope::try_generate(const KeySpec& spec,
                                                     const LastCheck& last_check,
                                                     const std::shared_ptr<StoredKeyEntry>& entry) {
  SessionPool::Lease lease = context_->sessions.lend();
  if (!lease) throw Error(CKR_SESSION_COUNT, "the device has no session left to make a key in");
  const CK_SESSION_HANDLE session = lease.session().handle;
  const auto storage = context_->stored->lock_storage();
  try {
    last_check();
    const KeyTemplates templates{&entry->name, context_->other_usages_off};
    KeyPairHandles made;
    CK_RV rv = generate_key_pair(context_->functions, session, spec, templates, made);
    if (rv == CKR_USER_NOT_LOGGED_IN) {
      context_->login.log_in(session);
      rv = generate_key_pair(context_->functions, session, spec, templates, made);
    }
    if (says_session_dead(rv)) {
      lease.discard();
      return nullptr;
    }
    if (says_device_away(rv))
      throw Error(CKR_DEVICE_REMOVED, "the device is gone: " + describe(rv));
    check(rv, "making a key pair on the device");
    PublicKey public_key = inspect_key_pair(context_->functions, session, spec, true, made);
    return std::make_unique<StoredKey>(context_, shared_from_this(), entry, std::move(public_key));
  } catch (const Error& error) {
    if (says_session_dead(error.rv())) lease.discard();
    throw;
  }
}

/// The device may have made the key, whatever it said.
void StoredScope::abandon(StoredKeyEntry& entry) noexcept {
  if (!context_->stored->destroy(entry)) context_->stored->owe(entry);
}

}  // namespace mayfly::pkcs11
