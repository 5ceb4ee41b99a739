#include "device/pkcs11/stored_scope.h"

#include <utility>

#include "base/error.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/stored_key.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {
namespace {

/// An idle session can have died unnoticed; not several in a row.
constexpr int kStoredAttempts = 3;

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
  for (int attempt = 0; attempt < kStoredAttempts; ++attempt) {
    if (!context_->usable()) throw Error(CKR_DEVICE_REMOVED, "the device was closed");
    std::shared_ptr<StoredKeyEntry> entry;
    try {
      if (auto key = try_generate(spec, last_check, entry)) return key;
    } catch (...) {
      abandon(entry);
      throw;
    }
    abandon(entry);
  }
  throw Error(CKR_DEVICE_REMOVED, "the device loses its sessions as soon as they are opened");
}

/// @param entry  Receives the record, as soon as there is one.
/// @return null when another attempt, in another session, may do better.
std::unique_ptr<DeviceKey> StoredScope::try_generate(const KeySpec& spec,
                                                     const LastCheck& last_check,
                                                     std::shared_ptr<StoredKeyEntry>& entry) {
  SessionPool::Lease lease = context_->sessions.lend();
  if (!lease) throw Error(CKR_SESSION_COUNT, "the device has no session left to make a key in");
  last_check();  // before there is a record that would have to be cleared up
  entry = context_->stored->record(owner_);
  try {
    if (auto key = generate_in(lease.session(), spec, last_check, entry)) return key;
    lease.discard();
    return nullptr;
  } catch (const Error& error) {
    lease.discard();
    if (!says_key_lost(error.rv())) throw;
    throw Error(CKR_DEVICE_REMOVED, error.what());
  }
}

/// @return null when the session is dead.
std::unique_ptr<DeviceKey> StoredScope::generate_in(const DeviceSession& session,
                                                    const KeySpec& spec,
                                                    const LastCheck& last_check,
                                                    const std::shared_ptr<StoredKeyEntry>& entry) {
  const KeyTemplates templates{&entry->name, context_->other_usages_off};
  const std::uint64_t losses = context_->sessions.losses();
  const auto storage = context_->stored->lock_storage();
  last_check();
  NewKeyPair made;
  CK_RV rv = generate_key_pair(context_->functions, session.handle, spec, templates, made);
  if (rv == CKR_USER_NOT_LOGGED_IN) {
    context_->login.log_in(session.handle);
    rv = generate_key_pair(context_->functions, session.handle, spec, templates, made);
  }
  if (says_session_dead(rv)) return nullptr;
  check(rv, "making a key pair on the device");
  const KeyPairHandles& pair = made.handles;
  context_->stored->confirm(session.handle, pair.private_key, pair.public_key, *entry);
  check(made.answers.read(context_->functions, session.handle, spec.type, true, pair),
        "reading a new key pair's attributes");
  const StoredKey::Whereabouts whereabouts{pair.private_key, losses, session.number};
  return std::make_unique<StoredKey>(context_, shared_from_this(), entry, whereabouts,
                                     made.answers.judge(spec));
}

/// The device may have made the key, whatever it said.
void StoredScope::abandon(const std::shared_ptr<StoredKeyEntry>& entry) noexcept {
  if (entry != nullptr && !context_->stored->destroy(*entry)) context_->stored->owe(*entry);
}

}  // namespace mayfly::pkcs11
