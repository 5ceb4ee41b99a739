// Ledgers beside what the registry knows of their tasks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "ledger/chain_verifier.h"
#include "registry/registry.h"

namespace mayfly::tools {

/// What the registry makes of a chain.
struct RegistryOpinion {
  std::vector<std::string> problems;  ///< in which it contradicts the chain
  std::vector<std::string> notes;     ///< that a reader should know, and that may well be so
  bool knows_key = false;             ///< the key that sealed the chain is the one it knows
  bool may_pass = false;  ///< a problem may be that the task was just ending, so that it is gone
                          ///< when both are looked at again
};

/// Compares a chain with the task that the registry has under the chain's serial.
/// @param task  Nothing for a task that the registry does not know.
[[nodiscard]] RegistryOpinion compare(const ledger::Verification& found,
                                      const std::optional<TaskRecord>& task);

/// The registry, for a reader who has the configuration or not.
struct RegistryToAsk {
  std::unique_ptr<Registry> registry;  ///< null: there is none to ask
  std::string why_not;                 ///< where there should be one; empty for no configuration
};

/// @param must  Throws where the registry can't be asked: somebody has named the configuration.
/// @throws Error or Failure as load_configuration() and open_registry().
[[nodiscard]] RegistryToAsk find_registry(const std::optional<Config>& config, bool must);

/// @throws Error as Registry::tasks().
[[nodiscard]] std::optional<TaskRecord> task_of(Registry& registry, const std::string& serial);

/// The tasks of this host that had a key for their ledger: each has a chain, or had one.
/// @throws Error as Registry::tasks().
[[nodiscard]] std::vector<TaskRecord> tasks_with_ledgers(Registry& registry);

}  // namespace mayfly::tools
