// Key pairs that the device keeps in its storage: for devices that can't hold session key pairs.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/process_identity.h"
#include "device/device.h"
#include "device/key_journal.h"
#include "device/pkcs11/login.h"
#include "device/pkcs11/session_pool.h"
#include "device/pkcs11/stored_key_name.h"
#include "device/pkcs11/token_search.h"

namespace mayfly::pkcs11 {

/// A stored key of this process, from before it is made until it is known to be gone.
struct StoredKeyEntry {
  explicit StoredKeyEntry(StoredKeyName key_name) : name(std::move(key_name)) {}

  const StoredKeyName name;
  std::atomic<bool> made{false};  ///< it was seen on the device under its name
  std::atomic<bool> destroyed{false};
  std::atomic<bool> owed{false};  ///< nobody but StoredKeys cares for it any more
};

/// What came of removing the objects of a name.
enum class Removal {
  removed,    ///< they are gone
  not_found,  ///< the device has none, which may change if it is still at making them
  failed,     ///< it is not certain
};

/// StoredKeys names, finds and destroys the token objects that are mayfly's, and nobody else's.
///
/// A key is found by its name, never by a handle that may be stale; and it is gone when the device,
/// present and logged in to, finds nothing of that name. Safe to use from several threads.
class StoredKeys {
 public:
  StoredKeys(CK_FUNCTION_LIST_PTR functions, const Token& token, SessionPool& sessions,
             Login& login, std::shared_ptr<KeyJournal> journal);

  /// Names a key that is to be made, and writes that into the journal.
  /// @throws Error CKR_FUNCTION_FAILED when the journal can't be written; no key may be made then.
  [[nodiscard]] std::shared_ptr<StoredKeyEntry> record(const ScopeOwner& owner);

  /// Held while objects are made, searched or destroyed, on devices that fail when that happens at
  /// the same time (SoftHSM2). Taken by whoever has a session already, since nobody who holds it
  /// may have to wait for one.
  [[nodiscard]] std::unique_lock<std::mutex> lock_storage() {
    return racy_ ? std::unique_lock(storage_mutex_) : std::unique_lock<std::mutex>();
  }

  /// Makes sure that a new key pair can be found again: that the device keeps its name as given.
  /// One of which it keeps a part of the name only is destroyed. The caller holds lock_storage().
  /// @throws Error CKR_DEVICE_ERROR if it does not, or what the device answered.
  void confirm(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE private_key, CK_OBJECT_HANDLE public_key,
               StoredKeyEntry& entry);

  /// The private key of that name, or CK_INVALID_HANDLE.
  /// @param session  A session that nobody else uses meanwhile.
  /// @throws Error what the device answered.
  [[nodiscard]] CK_OBJECT_HANDLE find_private_key(CK_SESSION_HANDLE session,
                                                  const StoredKeyName& name);

  /// Destroys what the device has of that name. After a failure that took long, the device is not
  /// asked again for ten times as long, so that many keys don't wait for the same timeout one after
  /// the other.
  /// @return whether it is certain to be gone, which the entry then says too.
  bool destroy(StoredKeyEntry& entry) noexcept;

  /// Leaves a key to retry().
  void owe(StoredKeyEntry& entry) noexcept;

  /// Destroys all keys of this process that still live, and gives those up that it can't: they are
  /// left to a reaper.
  void destroy_all() noexcept;

  /// Tries again to destroy what is owed.
  /// @return how many keys are still owed.
  std::size_t retry() noexcept;

  [[nodiscard]] std::size_t owed() const noexcept { return owed_count_; }

  /// @throws Error as Device::reap().
  ReapReport reap(ReapReach reach, EarlierBoots earlier_boots);
  /// @throws Error as Device::reap_tasks().
  ReapReport reap_tasks(const std::set<std::string>& serials);

 private:
  struct Candidate;
  using Census = std::map<Bytes, Candidate>;  // by ID: both halves of a pair, and its record
  using Entries = std::vector<std::shared_ptr<StoredKeyEntry>>;

  [[nodiscard]] Removal remove(const StoredKeyName& name) noexcept;
  [[nodiscard]] Removal try_remove(const StoredKeyName& name) noexcept;
  [[nodiscard]] std::size_t destroy_objects(CK_SESSION_HANDLE session, const StoredKeyName& name);
  void require_absent(CK_SESSION_HANDLE session, const StoredKeyName& name);
  void ensure_login(CK_SESSION_HANDLE session);
  void settle(StoredKeyEntry& entry) noexcept;
  void forget(const StoredKeyName& name) noexcept;
  void give_up(const StoredKeyName& name) noexcept;
  [[nodiscard]] Entries entries(bool owed_only);

  void count_recorded(Census& census);
  [[nodiscard]] std::size_t count_on_device(Census& census);
  [[nodiscard]] bool provably_dead(const Candidate& candidate, EarlierBoots earlier_boots) const;
  void reap(const std::vector<const Candidate*>& dead, ReapReport& report);

  CK_FUNCTION_LIST_PTR functions_;
  CK_SLOT_ID slot_;
  std::string device_;
  bool racy_;
  SessionPool& sessions_;
  Login& login_;
  std::shared_ptr<KeyJournal> journal_;
  const ProcessIdentity self_ = ProcessIdentity::self();

  std::mutex storage_mutex_;  // before mutex_ and the pool's; with a session in hand
  std::atomic<std::chrono::steady_clock::rep> away_until_{0};

  std::mutex mutex_;                                          // guards what follows
  std::map<Bytes, std::shared_ptr<StoredKeyEntry>> entries_;  // by ID
  std::atomic<std::size_t> owed_count_{0};
};

}  // namespace mayfly::pkcs11
