// Which chains of a folder are closed, in the order in which that was found out.
//
// The file "closed-chains" in a ledger's folder only ever grows: a line for each chain that nobody
// writes any more, and another one when it is removed for its age. Checkpoints (checkpoint.h) stand
// for the first so many of its lines.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "ledger/chain_verifier.h"

namespace mayfly::ledger {

/// What became of a chain. Its line is the canonical JSON of {"entries": N, "event": "closed" or
/// "purged", "head": "HASH", "serial": "…", "task": "…", "time": MILLISECONDS, "verdict": "…"}.
struct ClosedChain {
  enum class Event { closed, purged };

  Event event = Event::closed;
  ChainTask task;
  ChainHead head;  ///< of the whole chain, with its seal
  Verdict verdict = Verdict::sealed;
  std::uint64_t time_ms = 0;  ///< closed: of the chain's last entry; purged: of its removal

  friend bool operator==(const ClosedChain&, const ClosedChain&) = default;
};

/// The file in a ledger's folder.
[[nodiscard]] std::filesystem::path chain_log_path(const std::filesystem::path& folder);

/// ChainLog is what such a file says.
class ChainLog {
 public:
  /// Reads a folder's file; nothing is there where there is none.
  /// @throws Error CKR_FUNCTION_FAILED "PATH: what is wrong" when it can't be read, is being
  /// written
  ///         for more than ten seconds; CKR_DATA_INVALID for a line that is none, and for a chain
  ///         that is closed twice or removed before it was closed.
  [[nodiscard]] static ChainLog read(const std::filesystem::path& folder);

  /// Adds a record.
  /// @throws Error CKR_DATA_INVALID for one that can't follow.
  void add(const ClosedChain& chain);

  [[nodiscard]] const std::vector<ClosedChain>& chains() const noexcept { return chains_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return chains_.size(); }
  /// The root of the tree over the first so many records.
  /// @param size  At most size().
  [[nodiscard]] Bytes root(std::uint64_t size) const;

  /// How the chain of a serial was closed, or removed; null if it was not.
  [[nodiscard]] const ClosedChain* closed(const std::string& serial) const;
  [[nodiscard]] const ClosedChain* purged(const std::string& serial) const;

 private:
  friend class ChainLogFile;
  [[nodiscard]] static ChainLog parse(const Descriptor& file, const std::filesystem::path& path,
                                      std::uint64_t& whole);

  std::vector<ClosedChain> chains_;
  std::vector<Bytes> leaves_;
  std::map<std::string, std::size_t> closed_;  // places in chains_, by serial
  std::map<std::string, std::size_t> purged_;
};

/// ChainLogFile is a folder's file for whoever adds to it: one at a time, the others wait.
class ChainLogFile {
 public:
  /// Makes the file, mode 0600 and the folder's owner's, if there is none. The half of a line that
  /// a crash left goes.
  /// @throws Error as ChainLog::read(), and open_folder(), though root may add to anybody's.
  explicit ChainLogFile(const std::filesystem::path& folder);

  [[nodiscard]] const ChainLog& log() const noexcept { return log_; }

  /// Adds records; they are on the disk when it returns.
  /// @throws Error CKR_FUNCTION_FAILED when they can't be written; then none is there.
  void add(const std::vector<ClosedChain>& chains);

 private:
  std::filesystem::path path_;
  Descriptor file_;
  std::uint64_t size_ = 0;  // bytes
  ChainLog log_;
};

}  // namespace mayfly::ledger
