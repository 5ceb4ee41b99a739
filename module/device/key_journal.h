// The record of keys that a device stores, kept outside of the device.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace mayfly {

/// One stored key pair, as it was recorded before it was made.
struct JournalEntry {
  Bytes id;                   ///< the CKA_ID of both halves; unique
  std::string label;          ///< the CKA_LABEL of both halves: owner, task and deadline
  std::string device;         ///< the device's identity, as Device gave it
  std::string task_id;        ///< for people
  std::string task_serial{};  ///< of the task it was made in; empty for what belongs to none
  bool given_up = false;      ///< its process could not destroy it and does not try any more
};

/// KeyJournal remembers each stored key from before it is made until it is known to be gone, so
/// that a process that dies at any point leaves a trace of what it may have left on the device.
///
/// It is a help for finding keys, never a reason to destroy one: that takes what the device itself
/// says. Only sessions of a TPM, which can't say whose they are, are ended on its word. Safe to use
/// from several threads.
class KeyJournal {
 public:
  virtual ~KeyJournal() = default;

  /// 12 hexadecimal digits that are the same for all processes with this journal on this machine.
  /// Others have the same only if the machine was cloned together with its journal.
  [[nodiscard]] virtual const std::string& host() const noexcept = 0;

  /// Writes an entry. It survives a crash of the machine when this returns.
  /// @throws Error CKR_FUNCTION_FAILED when it can't be written.
  virtual void add(const JournalEntry& entry) = 0;

  /// Removes an entry, if there is one.
  /// @throws Error CKR_FUNCTION_FAILED when that fails.
  virtual void remove(ByteView id) = 0;

  /// Marks an entry as given up, if there is one.
  /// @throws Error CKR_FUNCTION_FAILED when that fails.
  virtual void give_up(ByteView id) = 0;

  /// All entries of one device.
  /// @throws Error CKR_FUNCTION_FAILED when they can't be read.
  [[nodiscard]] virtual std::vector<JournalEntry> entries(const std::string& device) = 0;
};

}  // namespace mayfly
