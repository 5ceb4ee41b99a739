// What a registry may forget.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "ledger/chain_log.h"
#include "registry/registry.h"

namespace mayfly {

/// RegistryPurge goes once through all that a registry remembers for too long, in small steps.
///
/// A task of a machine that keeps ledgers is forgotten only there: as long as its chain is in the
/// folder, and until `mayfly audit purge` has written down that it was removed, whoever verifies
/// the ledgers needs what the registry knows of it.
class RegistryPurge {
 public:
  struct Rules {
    std::chrono::seconds keep;            ///< registry.keep
    std::string host;                     ///< whose tasks; empty for those of this machine
    std::filesystem::path ledger_folder;  ///< ledger.folder; empty for none
    bool ledgers_are_gone = false;        ///< of that host, for good: nobody will verify them
  };

  RegistryPurge(Registry& registry, Rules rules);

  /// Does a little: it has a transaction or two.
  /// @return false when nothing is left to be done.
  /// @throws Error as Registry's functions, and ChainLog::read().
  [[nodiscard]] bool step();

  [[nodiscard]] std::size_t forgotten_tasks() const noexcept { return forgotten_tasks_; }
  /// Grants, tickets, brokers and revocations.
  [[nodiscard]] std::size_t forgotten_others() const noexcept { return forgotten_others_; }
  /// Tasks that are old enough and stay for their ledgers.
  [[nodiscard]] std::size_t kept_for_ledgers() const noexcept { return kept_for_ledgers_; }

 private:
  enum class Phase { first_others, tasks, last_others, over };

  void forget_others(Phase next);
  void forget_tasks();
  [[nodiscard]] bool needs(const TaskRecord& task) const;

  Registry& registry_;
  const Rules rules_;
  Phase phase_ = Phase::first_others;
  std::optional<ledger::ChainLog> log_;  // nothing yet, or no folder
  std::optional<TaskRecord> last_;
  std::size_t forgotten_tasks_ = 0;
  std::size_t forgotten_others_ = 0;
  std::size_t kept_for_ledgers_ = 0;
};

}  // namespace mayfly
