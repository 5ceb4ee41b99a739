#include "device/pkcs11/stored_keys.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/boolean_values.h"
#include "device/pkcs11/token_objects.h"
#include "device/pkcs11/vendor_module.h"
#include "device/pkcs11/wall_clock.h"

namespace mayfly::pkcs11 {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kLongestPause{60};
// A failure that took this long was a timeout, and so would be the next.
constexpr std::chrono::milliseconds kSlow{500};
constexpr std::chrono::hours kLongestLife{24 * 365 * 100};

CK_OBJECT_CLASS private_class = CKO_PRIVATE_KEY;
CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY;

CK_ATTRIBUTE by_class(CK_OBJECT_CLASS& object_class) {
  return {CKA_CLASS, &object_class, sizeof object_class};
}
CK_ATTRIBUTE by_id(const StoredKeyName& name) {
  return {CKA_ID, const_cast<std::uint8_t*>(name.id().data()), name.id().size()};
}
CK_ATTRIBUTE on_token() { return {CKA_TOKEN, &yes, sizeof yes}; }

/// A deadline of this machine's boot clock as seconds since 1970.
std::uint64_t to_wall_clock(BootClock::time_point deadline) {
  const auto left = std::clamp<BootClock::duration>(deadline - BootClock::now(),
                                                    BootClock::duration::zero(), kLongestLife);
  return wall_clock_seconds() +
         static_cast<std::uint64_t>(std::chrono::ceil<seconds>(left).count());
}

void require(const SessionPool::Lease& lease) {
  if (!lease) throw Error(CKR_SESSION_COUNT, "the device has no session left");
}

}  // namespace

StoredKeys::StoredKeys(CK_FUNCTION_LIST_PTR functions, const Token& token, SessionPool& sessions,
                       Login& login, std::shared_ptr<KeyJournal> journal)
    : functions_(functions),
      slot_(token.slot),
      device_(token.identity()),
      racy_(device_.starts_with("SoftHSM")),
      sessions_(sessions),
      login_(login),
      journal_(std::move(journal)) {
  sessions_.open_read_write();  // token objects can be made and destroyed in no other
}

std::shared_ptr<StoredKeyEntry> StoredKeys::record(const ScopeOwner& owner) {
  auto entry = std::make_shared<StoredKeyEntry>(
      StoredKeyName::make({journal_->host(), self_, owner.serial, to_wall_clock(owner.deadline)}));
  const StoredKeyName& name = entry->name;
  {
    const std::lock_guard lock(mutex_);
    entries_.emplace(name.id(), entry);
  }
  try {
    journal_->add({name.id(), name.label(), device_, owner.task_id, owner.serial});
  } catch (...) {
    settle(*entry);
    throw;
  }
  return entry;
}

void StoredKeys::confirm(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE private_key,
                         CK_OBJECT_HANDLE public_key, StoredKeyEntry& entry) {
  const StoredKeyName& name = entry.name;
  bool kept = true;
  for (const CK_OBJECT_HANDLE object : {private_key, public_key}) {
    const auto found = read_name(functions_, session, object);
    const bool label = found && found->label == name.label();
    const bool id = found && found->id == name.id();
    kept = kept && label && id;
    // Of one that has neither nothing says that it is ours: its handle may be wrong.
    if (label != id) functions_->C_DestroyObject(session, object);
  }
  std::vector<CK_OBJECT_HANDLE> found = find_objects(functions_, session, {by_id(name)});
  std::sort(found.begin(), found.end());
  std::vector<CK_OBJECT_HANDLE> pair = {private_key, public_key};
  std::sort(pair.begin(), pair.end());
  if (!kept || found != pair) {
    throw Error(CKR_DEVICE_ERROR,
                "the device does not keep CKA_LABEL and CKA_ID as they are given, so that a key "
                "stored on it could not be found again; it can't be used with device.keys = "
                "\"stored\"");
  }
  entry.made = true;
}

CK_OBJECT_HANDLE StoredKeys::find_private_key(CK_SESSION_HANDLE session,
                                              const StoredKeyName& name) {
  const auto lock = lock_storage();
  ensure_login(session);
  const auto found =
      find_objects(functions_, session, {on_token(), by_class(private_class), by_id(name)});
  return found.size() == 1 ? found.front() : CK_INVALID_HANDLE;
}

bool StoredKeys::destroy(StoredKeyEntry& entry) noexcept {
  if (entry.destroyed) return true;
  const Removal removal = remove(entry.name);
  if (removal == Removal::failed) return false;
  settle(entry);
  // A device that gave no answer may still be at making the key. Its record is then kept, for a
  // reaper to look again.
  if (removal == Removal::removed || entry.made) forget(entry.name);
  return true;
}

Removal StoredKeys::remove(const StoredKeyName& name) noexcept {
  const auto start = steady_clock::now();
  if (start.time_since_epoch().count() < away_until_) return Removal::failed;
  Removal removal = try_remove(name);
  // The session may have been to blame. One that is fresh is not.
  if (removal == Removal::failed && steady_clock::now() - start < kSlow) removal = try_remove(name);
  if (removal != Removal::failed) return removal;
  const auto now = steady_clock::now();
  if (now - start >= kSlow) {
    const auto pause = std::min<steady_clock::duration>(10 * (now - start), kLongestPause);
    away_until_ = (now + pause).time_since_epoch().count();
  }
  return Removal::failed;
}

Removal StoredKeys::try_remove(const StoredKeyName& name) noexcept {
  try {
    SessionPool::Lease lease = sessions_.lend();
    require(lease);
    const auto lock = lock_storage();
    try {
      ensure_login(lease.session().handle);
      const std::size_t destroyed = destroy_objects(lease.session().handle, name);
      require_absent(lease.session().handle, name);
      return destroyed > 0 ? Removal::removed : Removal::not_found;
    } catch (const Error&) {
      lease.discard();  // it may be dead, or have a search stuck in it
      throw;
    }
  } catch (const std::exception& error) {
    log::warn("a stored key could not be destroyed yet", error);
  }
  return Removal::failed;
}

/// Private keys first: as soon as they are gone, the rest does no harm.
/// @return how many objects there were.
std::size_t StoredKeys::destroy_objects(CK_SESSION_HANDLE session, const StoredKeyName& name) {
  std::size_t destroyed = 0;
  for (CK_OBJECT_CLASS* object_class : {&private_class, &public_class}) {
    for (const CK_OBJECT_HANDLE object :
         find_objects(functions_, session, {on_token(), by_class(*object_class), by_id(name)})) {
      const auto found = read_name(functions_, session, object);
      if (!found || found->label != name.label()) continue;
      const CK_RV rv = functions_->C_DestroyObject(session, object);
      if (rv != CKR_OK && !says_key_dead(rv)) check(rv, "destroying a key on the device");
      ++destroyed;
    }
  }
  return destroyed;
}

/// That nothing is found means something only if the device is there and shows private objects.
void StoredKeys::require_absent(CK_SESSION_HANDLE session, const StoredKeyName& name) {
  if (!find_objects(functions_, session, {by_id(name)}).empty()) {
    throw Error(CKR_DEVICE_ERROR, "the device still has the key after having destroyed it");
  }
  CK_SESSION_INFO session_info{};
  check(functions_->C_GetSessionInfo(session, &session_info), "asking for the device's login");
  if (login_.wanted() && session_info.state != CKS_RW_USER_FUNCTIONS) {
    throw Error(CKR_USER_NOT_LOGGED_IN, "the device has forgotten the login");
  }
  Token token{slot_, {}};
  check(functions_->C_GetTokenInfo(slot_, &token.info), "asking for the device's token");
  if ((token.info.flags & CKF_TOKEN_INITIALIZED) == 0 || token.identity() != device_) {
    throw Error(CKR_TOKEN_NOT_PRESENT, "another token is in the device's slot");
  }
}

void StoredKeys::ensure_login(CK_SESSION_HANDLE session) {
  if (!login_.wanted()) return;
  CK_SESSION_INFO info{};
  check(functions_->C_GetSessionInfo(session, &info), "asking for the device's login");
  if (info.state != CKS_RW_USER_FUNCTIONS) login_.log_in(session);
}

/// Takes note that a key is gone.
void StoredKeys::settle(StoredKeyEntry& entry) noexcept {
  const std::lock_guard lock(mutex_);
  if (entry.destroyed.exchange(true)) return;
  if (entry.owed) --owed_count_;
  entries_.erase(entry.name.id());
}

/// The key is gone. If the journal keeps its record, a later reaper finds that out.
void StoredKeys::forget(const StoredKeyName& name) noexcept {
  try {
    journal_->remove(name.id());
  } catch (const std::exception& error) {
    log::warn("the record of a destroyed key stays behind", error);
  }
}

void StoredKeys::give_up(const StoredKeyName& name) noexcept {
  try {
    journal_->give_up(name.id());
  } catch (const std::exception& error) {
    log::warn("a key that is left on the device is reaped only when this process has ended", error);
  }
}

void StoredKeys::owe(StoredKeyEntry& entry) noexcept {
  const std::lock_guard lock(mutex_);
  if (!entry.destroyed && !entry.owed.exchange(true)) ++owed_count_;
}

StoredKeys::Entries StoredKeys::entries(bool owed_only) {
  const std::lock_guard lock(mutex_);
  Entries chosen;
  for (const auto& [id, entry] : entries_) {
    if (entry->owed || !owed_only) chosen.push_back(entry);
  }
  return chosen;
}

void StoredKeys::destroy_all() noexcept {
  try {
    away_until_ = 0;  // one try is due, whatever was before
    std::size_t left = 0;
    for (const auto& entry : entries(false)) {
      if (destroy(*entry)) continue;
      give_up(entry->name);
      ++left;
    }
    if (left == 0) return;
    log::warn(std::to_string(left) + " keys are left on the device; run: mayfly reap");
  } catch (const std::exception& error) {
    log::warn("stored keys are left to the reaper", error);
  }
}

std::size_t StoredKeys::retry() noexcept {
  try {
    if (owed_count_ == 0) return 0;
    // One that fails says what the others would: an unreachable device costs one call, not many.
    const Entries owed = entries(true);
    static_cast<void>(std::all_of(owed.begin(), owed.end(),
                                  [this](const auto& entry) { return destroy(*entry); }));
  } catch (const std::exception& error) {
    log::warn("the destruction of stored keys has to wait", error);
  }
  return owed_count_;
}

}  // namespace mayfly::pkcs11
