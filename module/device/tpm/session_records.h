// The record of sessions that mayfly's processes have open in a TPM without a resource manager.
#pragma once

#include <cstdint>
#include <memory>

#include "base/process_identity.h"
#include "device/device.h"
#include "device/key_journal.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// How often the TPM was reset and resumed: both counters in one number.
[[nodiscard]] std::uint64_t restarts(Tpm& tpm);

/// SessionRecords lets a later process tell which sessions a dead one left. A session says nothing
/// of its owner, unlike an object; so it is written down who opened it, and under which counters of
/// restarts: a restarted TPM has no sessions.
///
/// Not safe to use from several threads.
class SessionRecords {
 public:
  /// @param device  The name of this TPM in the journal.
  SessionRecords(std::shared_ptr<KeyJournal> journal, std::string device);

  /// Records a session of this process.
  /// @param restarts  Of the TPM, when it was begun.
  /// @return what remove() wants.
  [[nodiscard]] Bytes add(TPMI_SH_POLICY session, std::uint64_t restarts);
  void remove(const Bytes& id) { journal_->remove(id); }
  /// The same. @return false, and logged why, if it stays until the next reaping.
  bool strike_out(const Bytes& id) noexcept;

  /// Records the parent of session keys, which is another after each reset of the TPM: a process
  /// that finds the TPM full of its children can then tell whose they are.
  void remember_parent(Tpm& tpm, ByteView qualified_name);
  /// The parents on record since the TPM's last reset.
  [[nodiscard]] std::vector<Bytes> parents(Tpm& tpm);

  /// Flushes the sessions of dead processes, and strikes out those that are gone.
  /// @throws Error what could not be looked up: then nothing more is flushed.
  ReapReport reap(Tpm& tpm, EarlierBoots earlier_boots);

 private:
  std::shared_ptr<KeyJournal> journal_;
  std::string device_;
  ProcessIdentity self_;
};

}  // namespace mayfly::tpm
