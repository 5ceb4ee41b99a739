#include "compose/registry_purge.h"

#include <system_error>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "ledger/chain_file.h"

namespace mayfly {

RegistryPurge::RegistryPurge(Registry& registry, Rules rules)
    : registry_(registry), rules_(std::move(rules)) {}

bool RegistryPurge::step() {
  switch (phase_) {
    case Phase::first_others:
      forget_others(Phase::tasks);
      break;
    case Phase::tasks:
      forget_tasks();
      break;
    case Phase::last_others:  // of whom the last task went
      forget_others(Phase::over);
      break;
    case Phase::over:
      break;
  }
  return phase_ != Phase::over;
}

void RegistryPurge::forget_others(Phase next) {
  const std::size_t gone = registry_.purge(rules_.keep);
  forgotten_others_ += gone;
  if (gone == 0) phase_ = next;
}

void RegistryPurge::forget_tasks() {
  if (!log_ && !rules_.ledger_folder.empty()) log_ = ledger::ChainLog::read(rules_.ledger_folder);
  const std::string& host = rules_.host.empty() ? registry_.host() : rules_.host;
  const std::vector<TaskRecord> page = registry_.old_tasks(host, rules_.keep, last_);
  if (page.empty()) {
    phase_ = Phase::last_others;
    return;
  }
  std::vector<std::string> serials;
  for (const TaskRecord& task : page) {
    if (needs(task)) {
      ++kept_for_ledgers_;
    } else {
      serials.push_back(task.serial);
    }
  }
  forgotten_tasks_ += registry_.forget_tasks(serials, rules_.keep);
  last_ = page.back();
}

/// Whether whoever verifies ledgers needs what is known of a task.
bool RegistryPurge::needs(const TaskRecord& task) const {
  if (rules_.ledgers_are_gone) return false;
  if (log_) {
    std::error_code error;
    const bool is_there =
        std::filesystem::exists(ledger::chain_path(rules_.ledger_folder, task.serial), error);
    if (is_there || error) return true;
    // Whoever can write the folder can write the list, too.
    const ledger::ClosedChain* const purged = log_->purged(task.serial);
    if (purged != nullptr && purged->time_ms >= task.ended &&
        purged->time_ms / 1000 <= unix_now_s()) {
      return false;
    }
  }
  // It had a ledger, of which it is not known that it was rightly removed.
  return !task.ledger_key.empty();
}

}  // namespace mayfly
