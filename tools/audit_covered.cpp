#include "tools/audit_covered.h"

#include <algorithm>
#include <system_error>

#include "base/clock.h"
#include "base/error.h"
#include "tools/approver_key.h"
#include "tools/audit_checkpoint.h"
#include "tools/duration_option.h"
#include "tools/failure.h"
#include "tools/utc_text.h"
#include "tools/whole_file.h"

namespace mayfly::tools {

using ledger::ClosedChain;
using ledger::Verdict;

CoveredChains::CoveredChains(const std::filesystem::path& folder,
                             const CheckpointOptions& options) {
  if (!options.retention.empty()) {
    const auto age = duration_option("--retention", options.retention);
    retention_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(age).count();
  }
  try {
    log_ = ledger::ChainLog::read(folder);
  } catch (const Error& error) {
    problem_ = error.what();
  }
  if (options.files.empty()) return;
  const PublicKey key = read_approver_key({options.key, "", "", "the checkpoints' key"}, {});
  for (const std::string& file : options.files) check(file, key);
  // The one that lies there must go on from those that were kept.
  std::error_code error;
  const std::string latest = checkpoint_path(folder).string();
  if (!std::filesystem::exists(latest, error)) return;
  if (std::filesystem::is_regular_file(latest, error)) {
    check(latest, key);
  } else {
    checkpoints_.push_back({latest, {}, "it is no regular file"});
  }
}

void CoveredChains::check(const std::string& file, const PublicKey& key) {
  CheckedCheckpoint checked{file, {}, {}};
  try {
    checked.checkpoint =
        ledger::open_checkpoint(read_whole_file(file, ledger::kMaxCheckpoint), key);
    const std::string& origin = checked.checkpoint.origin;
    const std::uint64_t size = checked.checkpoint.size;
    if (!checkpoints_.empty() && checkpoints_.front().problem.empty() &&
        checkpoints_.front().checkpoint.origin != origin) {
      checked.problem = "it is of another list, " + origin;
    } else if (size > log_.size()) {
      checked.problem = "the folder's list had " + std::to_string(size) +
                        " records then, and has " + std::to_string(log_.size()) + " now";
    } else if (log_.root(size) != checked.checkpoint.root) {
      checked.problem = "the first " + std::to_string(size) +
                        " records of the folder's list are others than they were then";
    } else {
      covered_ = std::max(covered_, size);
    }
  } catch (const Error& error) {
    checked.problem = error.what();
  }
  checkpoints_.push_back(std::move(checked));
}

const ClosedChain* CoveredChains::find(const std::string& serial) const {
  const ClosedChain* const chain = log_.closed(serial);
  if (chain == nullptr) return nullptr;
  return static_cast<std::uint64_t>(chain - log_.chains().data()) < covered_ ? chain : nullptr;
}

std::vector<ClosedChain> CoveredChains::chains() const {
  std::vector<ClosedChain> chains;
  for (std::uint64_t i = 0; i < covered_; ++i) {
    if (log_.chains()[i].event == ClosedChain::Event::closed) chains.push_back(log_.chains()[i]);
  }
  return chains;
}

std::string CoveredChains::change(const ClosedChain& covered, const ledger::Verification& found) {
  const ledger::ChainSummary& summary = found.summary;
  if (found.verdict == Verdict::tampered) return {};  // it is said what is wrong
  if (summary.task.id != covered.task.id) return "it is of another task than at the checkpoint";
  if (summary.head == covered.head) return {};
  // Its process was taken for dead, and was not.
  const bool may_grow =
      covered.verdict == Verdict::unsealed || covered.verdict == Verdict::truncated;
  if (may_grow && found.verdict == Verdict::sealed) return {};
  return "it has another end than at the checkpoint";
}

CoveredChains::Removal CoveredChains::removal(const std::string& serial,
                                              std::uint64_t ended_ms) const {
  const ClosedChain* const purged = log_.purged(serial);
  if (purged == nullptr) return {false, "it was taken away"};
  if (ended_ms == 0) return {false, "it was taken away, whatever the list says: its task is open"};
  if (purged->time_ms > unix_now_s() * 1000 + 1000) {
    return {false, "the list says that it was removed at a time that is still to come"};
  }
  const std::uint64_t end = std::max(log_.closed(serial)->time_ms, ended_ms);
  const std::uint64_t age = purged->time_ms > end ? purged->time_ms - end : 0;
  const std::string text = "it was removed by mayfly audit purge on " +
                           utc_text_ms(purged->time_ms) + ", " + std::to_string(age / 86'400'000) +
                           " days after its last entry";
  if (!retention_ms_) return {false, text + "; --retention says after how long that is right"};
  if (age < *retention_ms_) return {false, text + ": too early"};
  return {true, text};
}

}  // namespace mayfly::tools
