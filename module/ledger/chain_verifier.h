// Whether a chain is what a task's owner wrote.
#pragma once

#include <functional>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "ledger/chain_summary.h"
#include "ledger/entry.h"

namespace mayfly::ledger {

/// What came of verifying a chain.
enum class Verdict {
  sealed,     ///< it is whole, and the ledger's key signed that it is
  keyless,    ///< the task ended without ever having a key, so that there is no seal: the entries
              ///< fit together, which anybody can make them do
  unsealed,   ///< the entries fit together, but the seal is missing: the task is still open, its
              ///< owner died, the device was gone at the end, or the tail was cut off
  truncated,  ///< as unsealed, and the last line is not whole: a crash, or a cut
  tampered,   ///< the entries do not fit together, or not to what is expected
};

/// "sealed", "keyless", …
[[nodiscard]] const char* to_string(Verdict verdict) noexcept;

/// What whoever verifies knows of the task from elsewhere. What is given must hold.
struct Expectations {
  std::optional<std::string> task_id = {};
  std::optional<std::string> serial = {};
  /// The thumbprint (base/task_binding.h) of the key that seals the chain, kept apart from it.
  std::optional<Bytes> ledger_key = {};
  /// Thumbprints of keys of the task, from its credentials. Each must have been made in the chain
  /// and must have signed which key seals it.
  std::vector<Bytes> keys = {};
  /// An earlier state of the chain, kept apart from it: the entry of that number must have that
  /// hash.
  std::optional<ChainHead> head = {};
};

/// A chain's verdict, and what it tells.
struct Verification {
  Verdict verdict = Verdict::tampered;
  std::uint64_t line = 0;  ///< where `problem` shows; 0 when there is none
  std::string problem;     ///< what is wrong or missing, in one sentence; empty for sealed
  /// How many of the entries are known from elsewhere, so that somebody who rebuilds the chain with
  /// a ledger key of his own can't have changed them. All, if a key was expected, or a head that is
  /// not before the entry with the ledger's key: the seal vouches for what comes after.
  std::uint64_t anchored_entries = 0;
  ChainSummary summary;  ///< of what lies before the problem

  /// Whether that is so of the whole chain.
  [[nodiscard]] bool anchored() const noexcept {
    return anchored_entries != 0 && anchored_entries == summary.head.entries;
  }
};

/// Called with each entry that fits to those before.
using EntryListener = std::function<void(const Entry&)>;

/// Reads a chain to its end, or to the first line that does not fit.
///
/// It checks that each line is one entry in its canonical form, that numbers have no gaps, that
/// each entry has the hash of the line before it, that times do not run back; that the first entry
/// opens the task and nothing but the seal follows its end; that keys are used after they were made
/// and before they were destroyed; that the seal is the ledger key's, over all entries, this task
/// and this serial; that each endorsement is its key's, of this ledger key; and what is expected.
[[nodiscard]] Verification verify_chain(std::istream& chain, const Expectations& expected,
                                        const EntryListener& listener = {});

}  // namespace mayfly::ledger
