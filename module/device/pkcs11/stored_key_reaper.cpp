// StoredKeys: destroying what dead processes left on the device.
#include <optional>

#include "base/error.h"
#include "device/pkcs11/boolean_values.h"
#include "device/pkcs11/stored_keys.h"
#include "device/pkcs11/token_objects.h"
#include "device/pkcs11/wall_clock.h"

namespace mayfly::pkcs11 {
namespace {

// How far the clocks of two machines that share a device may differ.
constexpr std::uint64_t kClockMargin = 300;

bool is_past(std::uint64_t deadline) {
  const std::uint64_t now = wall_clock_seconds();
  return now > kClockMargin && now - kClockMargin > deadline;
}

}  // namespace

/// A key of mayfly's that a reaper has found, on the device or in the journal.
struct StoredKeys::Candidate {
  StoredKeyName name;
  bool recorded = false;
  bool given_up = false;
};

ReapReport StoredKeys::reap(ReapReach reach, EarlierBoots earlier_boots) {
  Census census;
  ReapReport report;
  count_recorded(census);
  if (reach == ReapReach::device) report.foreign = count_on_device(census);
  std::vector<const Candidate*> dead;
  for (const auto& [id, candidate] : census) {
    if (provably_dead(candidate, earlier_boots)) {
      dead.push_back(&candidate);
    } else {
      ++report.alive;
    }
  }
  // Everything was looked up, and nothing failed. Only now is anything destroyed.
  reap(dead, report);
  return report;
}

/// Of a task that is over, no process has a right to a key, whether it lives or not. Those of this
/// process are its own to destroy.
ReapReport StoredKeys::reap_tasks(const std::set<std::string>& serials) {
  Census census;
  ReapReport report;
  count_recorded(census);
  std::vector<const Candidate*> over;
  for (const auto& [id, candidate] : census) {
    const StoredKeyName::Parts& parts = candidate.name.parts();
    const bool is_ours = parts.host == journal_->host() && parts.owner == self_;
    if (!is_ours && serials.contains(parts.task)) over.push_back(&candidate);
  }
  reap(over, report);
  return report;
}

void StoredKeys::reap(const std::vector<const Candidate*>& dead, ReapReport& report) {
  for (const Candidate* candidate : dead) {
    const StoredKeyName& name = candidate->name;
    switch (remove(name)) {
      case Removal::removed:
        ++report.destroyed;
        if (candidate->recorded) forget(name);
        break;
      case Removal::not_found:
        // Killed while the device was at making it, it may yet appear. After its deadline, if it
        // does, whoever looks at the device itself finds it.
        if (is_past(name.parts().until)) {
          forget(name);
        } else {
          ++report.missing;
        }
        break;
      case Removal::failed:
        ++report.pending;
        break;
    }
  }
}

void StoredKeys::count_recorded(Census& census) {
  for (const JournalEntry& entry : journal_->entries(device_)) {
    const auto name = StoredKeyName::parse(entry.label, entry.id);
    if (!name) {
      throw Error(CKR_FUNCTION_FAILED,
                  "a record of a stored key is damaged, so nothing is destroyed; restore the "
                  "registry, or move it away");
    }
    census.emplace(entry.id, Candidate{*name, true, entry.given_up});
  }
}

/// @return how many objects are not mayfly's.
std::size_t StoredKeys::count_on_device(Census& census) {
  std::size_t foreign = 0;
  SessionPool::Lease lease = sessions_.lend();
  if (!lease) throw Error(CKR_SESSION_COUNT, "the device has no session left");
  const CK_SESSION_HANDLE session = lease.session().handle;
  const auto lock = lock_storage();
  try {
    ensure_login(session);
    for (CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
      for (const CK_OBJECT_HANDLE object : find_objects(
               functions_, session,
               {{CKA_TOKEN, &yes, sizeof yes}, {CKA_CLASS, &object_class, sizeof object_class}})) {
        const auto found = read_name(functions_, session, object);
        const auto name = found ? StoredKeyName::parse(found->label, found->id) : std::nullopt;
        if (name) {
          census.emplace(name->id(), Candidate{*name});
        } else {
          ++foreign;
        }
      }
    }
  } catch (const Error&) {
    lease.discard();
    throw;
  }
  return foreign;
}

/// Whether nobody can have a right to the key any more. A process that can be looked for is looked
/// for; the deadline decides only where it can't be, because clocks can be wrong.
bool StoredKeys::provably_dead(const Candidate& candidate, EarlierBoots earlier_boots) const {
  const StoredKeyName::Parts& parts = candidate.name.parts();
  if (parts.host == journal_->host()) {
    if (parts.owner == self_) return candidate.given_up;
    if (parts.owner.boot != self_.boot && earlier_boots == EarlierBoots::are_over) return true;
    const Liveness life = liveness(parts.owner, self_);
    if (life != Liveness::out_of_sight) return life == Liveness::dead;
  }
  return is_past(parts.until);
}

}  // namespace mayfly::pkcs11
