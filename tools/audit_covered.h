// The chains that checkpoints vouch for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ledger/chain_log.h"
#include "ledger/chain_verifier.h"
#include "ledger/checkpoint.h"

namespace mayfly::tools {

/// Which checkpoints, and what is taken on trust.
struct CheckpointOptions {
  std::vector<std::string> files;
  std::string key;        ///< that signed them: a PEM public key
  std::string retention;  ///< how old a chain must have been for its removal; empty for never
};

/// What came of a checkpoint.
struct CheckedCheckpoint {
  std::string file;
  ledger::Checkpoint checkpoint;
  std::string problem;  ///< empty if the folder's list still begins as it says
};

/// CoveredChains is the list of a folder's closed chains, as far as checkpoints vouch for it.
class CoveredChains {
 public:
  /// @throws Failure for a key or a file that can't be read.
  CoveredChains(const std::filesystem::path& folder, const CheckpointOptions& options);

  [[nodiscard]] const std::vector<CheckedCheckpoint>& checkpoints() const noexcept {
    return checkpoints_;
  }
  /// What is wrong with the list itself; empty if nothing is.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  /// The chain of a serial, as it was when it was closed; null if no good checkpoint covers it.
  [[nodiscard]] const ledger::ClosedChain* find(const std::string& serial) const;
  /// All that are covered.
  [[nodiscard]] std::vector<ledger::ClosedChain> chains() const;

  /// In which way a chain is another than the one that is covered, beyond what
  /// Expectations::head says; empty if it is the same.
  [[nodiscard]] static std::string change(const ledger::ClosedChain& covered,
                                          const ledger::Verification& found);

  /// Why a chain is not there.
  struct Removal {
    bool is_right = false;  ///< it was removed for its age, as --retention wants it
    std::string text;
  };
  /// @param ended_ms  When its task ended, as somebody else knows; 0 for a task that is open as far
  ///                  as they know, whose chain nobody may remove. Whoever can write the folder can
  ///                  write the list, too, where no checkpoint covers it.
  [[nodiscard]] Removal removal(const std::string& serial, std::uint64_t ended_ms) const;

 private:
  void check(const std::string& file, const PublicKey& key);

  ledger::ChainLog log_;
  std::string problem_;
  std::vector<CheckedCheckpoint> checkpoints_;
  std::uint64_t covered_ = 0;  // so many records of the list
  std::optional<std::uint64_t> retention_ms_;
};

}  // namespace mayfly::tools
