#include "device/pkcs11/stored_keys.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/token_objects.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kShortestPause{1};
constexpr seconds kLongestPause{60};
// How far the clocks of two machines that share a device may differ.
constexpr seconds kClockMargin{300};
constexpr std::chrono::hours kLongestLife{24 * 365 * 100};

CK_BBOOL yes = CK_TRUE;
CK_OBJECT_CLASS private_class = CKO_PRIVATE_KEY;
CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY;

CK_ATTRIBUTE by_class(CK_OBJECT_CLASS& object_class) {
  return {CKA_CLASS, &object_class, sizeof object_class};
}
CK_ATTRIBUTE by_id(const StoredKeyName& name) {
  return {CKA_ID, const_cast<std::uint8_t*>(name.id().data()), name.id().size()};
}
CK_ATTRIBUTE on_token() { return {CKA_TOKEN, &yes, sizeof yes}; }

std::uint64_t wall_clock_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::floor<seconds>(now).count()));
}

/// A deadline of this machine's boot clock as seconds since 1970.
std::uint64_t to_wall_clock(BootClock::time_point deadline) {
  const auto now = BootClock::now();
  const auto left =
      std::clamp<BootClock::duration>(deadline > now ? deadline - now : BootClock::duration::zero(),
                                      BootClock::duration::zero(), kLongestLife);
  return wall_clock_seconds() +
         static_cast<std::uint64_t>(std::chrono::ceil<seconds>(left).count());
}

void require(const SessionPool::Lease& lease) {
  if (!lease) throw Error(CKR_SESSION_COUNT, "the device has no session left");
}

}  // namespace

/// What a reaper knows before it destroys anything.
struct StoredKeys::Census {
  std::map<Bytes, StoredKeyName> keys;  // by ID: both halves of a pair, and its record, are one key
  std::size_t foreign = 0;
};

StoredKeys::StoredKeys(CK_FUNCTION_LIST_PTR functions, const Token& token, SessionPool& sessions,
                       Login& login, std::shared_ptr<KeyJournal> journal)
    : functions_(functions),
      slot_(token.slot),
      device_(token.identity()),
      serial_(padded_text(token.info.serialNumber, sizeof token.info.serialNumber)),
      sessions_(sessions),
      login_(login),
      journal_(std::move(journal)) {
  sessions_.open_read_write();  // token objects can be made and destroyed in no other
}

std::shared_ptr<StoredKeyEntry> StoredKeys::record(const ScopeOwner& owner) {
  auto entry = std::make_shared<StoredKeyEntry>(
      StoredKeyName::make({journal_->host(), self_, owner.serial, to_wall_clock(owner.deadline)}));
  const StoredKeyName& name = entry->name;
  journal_->add({name.id(), name.label(), device_, owner.task_id});
  const std::lock_guard lock(mutex_);
  return entries_.emplace(name.id(), std::move(entry)).first->second;
}

CK_OBJECT_HANDLE StoredKeys::find_private_key(CK_SESSION_HANDLE session,
                                              const StoredKeyName& name) {
  const auto lock = lock_storage();
  ensure_login(session);
  const auto found = find_objects(functions_, session, {by_class(private_class), by_id(name)});
  return found.size() == 1 ? found.front() : CK_INVALID_HANDLE;
}

bool StoredKeys::destroy(StoredKeyEntry& entry) noexcept {
  if (!entry.destroyed && destroy(entry.name)) settle(entry);
  return entry.destroyed;
}

bool StoredKeys::destroy(const StoredKeyName& name) noexcept {
  try {
    SessionPool::Lease lease = sessions_.lend();
    require(lease);
    const auto lock = lock_storage();
    try {
      ensure_login(lease.session().handle);
      destroy_objects(lease.session().handle, name);
      require_absent(lease.session().handle, name);
    } catch (const Error&) {
      lease.discard();  // it may be dead, or have a search stuck in it
      throw;
    }
    forget(name);
    return true;
  } catch (const std::exception& error) {
    log::warn(std::string("a stored key could not be destroyed yet: ") + error.what());
  }
  return false;
}

/// Takes note that a key is gone.
void StoredKeys::settle(StoredKeyEntry& entry) noexcept {
  const std::lock_guard lock(mutex_);
  if (entry.destroyed.exchange(true)) return;
  if (entry.owed) --owed_count_;
  entries_.erase(entry.name.id());
}

/// Private keys first: as soon as they are gone, the rest does no harm.
void StoredKeys::destroy_objects(CK_SESSION_HANDLE session, const StoredKeyName& name) {
  for (CK_OBJECT_CLASS* object_class : {&private_class, &public_class}) {
    for (const CK_OBJECT_HANDLE object :
         find_objects(functions_, session, {on_token(), by_class(*object_class), by_id(name)})) {
      const auto found = read_name(functions_, session, object);
      if (!found || found->label != name.label()) continue;
      const CK_RV rv = functions_->C_DestroyObject(session, object);
      if (rv != CKR_OK && !says_key_dead(rv)) check(rv, "destroying a key on the device");
    }
  }
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
  CK_TOKEN_INFO token{};
  check(functions_->C_GetTokenInfo(slot_, &token), "asking for the device's token");
  if ((token.flags & CKF_TOKEN_INITIALIZED) == 0 ||
      padded_text(token.serialNumber, sizeof token.serialNumber) != serial_) {
    throw Error(CKR_TOKEN_NOT_PRESENT, "another token is in the device's slot");
  }
}

/// The key is gone. If the journal keeps its record, a later reaper finds that out.
void StoredKeys::forget(const StoredKeyName& name) noexcept {
  try {
    journal_->remove(name.id());
  } catch (const std::exception& error) {
    log::warn(std::string("the record of a destroyed key stays behind: ") + error.what());
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
    for (const auto& entry : entries(false)) destroy(*entry);
  } catch (const std::exception& error) {
    log::warn(std::string("stored keys are left to the reaper: ") + error.what());
  }
}

std::size_t StoredKeys::retry() noexcept {
  try {
    {
      const std::lock_guard lock(mutex_);
      if (owed_count_ == 0 || steady_clock::now() < next_try_) return owed_count_;
    }
    const Entries owed = entries(true);
    // One that fails says what the others would: an unreachable device costs one call, not many.
    const bool all_gone = std::all_of(owed.begin(), owed.end(),
                                      [this](const auto& entry) { return destroy(*entry); });
    const std::lock_guard lock(mutex_);
    pause_ = all_gone
                 ? steady_clock::duration::zero()
                 : std::clamp<steady_clock::duration>(2 * pause_, kShortestPause, kLongestPause);
    next_try_ = steady_clock::now() + pause_;
  } catch (const std::exception& error) {
    log::warn(std::string("the destruction of stored keys has to wait: ") + error.what());
  }
  return owed_count_;
}

ReapReport StoredKeys::reap(ReapReach reach) {
  Census census;
  count_recorded(census);
  if (reach == ReapReach::device) count_on_device(census);
  ReapReport report;
  report.foreign = census.foreign;
  std::vector<const StoredKeyName*> dead;
  for (const auto& [id, name] : census.keys) {
    if (provably_dead(name)) {
      dead.push_back(&name);
    } else {
      ++report.alive;
    }
  }
  // Everything was looked up, and nothing failed. Only now is anything destroyed.
  for (const StoredKeyName* name : dead) ++(destroy(*name) ? report.destroyed : report.pending);
  return report;
}

void StoredKeys::count_recorded(Census& census) {
  for (const JournalEntry& entry : journal_->entries(device_)) {
    const auto name = StoredKeyName::parse(entry.label, entry.id);
    if (!name) {
      throw Error(CKR_FUNCTION_FAILED,
                  "a record of a stored key is damaged, so nothing is destroyed; restore the "
                  "registry, or move it away");
    }
    census.keys.emplace(entry.id, *name);
  }
}

void StoredKeys::count_on_device(Census& census) {
  SessionPool::Lease lease = sessions_.lend();
  require(lease);
  const auto lock = lock_storage();
  const CK_SESSION_HANDLE handle = lease.session().handle;
  try {
    ensure_login(handle);
    for (CK_OBJECT_CLASS* object_class : {&private_class, &public_class}) {
      for (const CK_OBJECT_HANDLE object :
           find_objects(functions_, handle, {on_token(), by_class(*object_class)})) {
        const auto found = read_name(functions_, handle, object);
        const auto name = found ? StoredKeyName::parse(found->label, found->id) : std::nullopt;
        if (name) {
          census.keys.emplace(name->id(), *name);
        } else {
          ++census.foreign;
        }
      }
    }
  } catch (const Error&) {
    lease.discard();
    throw;
  }
}

/// Whether nobody can have a right to the key any more: its deadline is past, or the process that
/// answers for it is.
bool StoredKeys::provably_dead(const StoredKeyName& name) const {
  const StoredKeyName::Parts& parts = name.parts();
  if (wall_clock_seconds() > parts.until + static_cast<std::uint64_t>(kClockMargin.count())) {
    return true;
  }
  const bool restarted = parts.host == journal_->host() && parts.owner.boot != self_.boot;
  return restarted || liveness(parts.owner, self_) == Liveness::dead;
}

void StoredKeys::ensure_login(CK_SESSION_HANDLE session) {
  if (!login_.wanted()) return;
  CK_SESSION_INFO info{};
  check(functions_->C_GetSessionInfo(session, &info), "asking for the device's login");
  if (info.state != CKS_RW_USER_FUNCTIONS) login_.log_in(session);
}

}  // namespace mayfly::pkcs11
