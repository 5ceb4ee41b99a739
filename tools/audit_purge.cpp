#include "tools/audit_purge.h"

#include <cerrno>
#include <iostream>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/clock.h"
#include "base/utf8.h"
#include "ledger/chain_folder.h"
#include "ledger/closed_chains.h"
#include "tools/as_owner.h"
#include "tools/audit_chains.h"
#include "tools/audit_folder.h"
#include "tools/commands.h"
#include "tools/duration_option.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

struct AuditPurgeOptions {
  std::string config_file;
  std::string folder;
  std::string older;
  bool dry_run = false;
};

/// Why a chain stays, or an empty text if it may go.
std::string why_kept(const ledger::Verification& found, std::uint64_t before_ms) {
  const ledger::ChainSummary& summary = found.summary;
  if (found.verdict == ledger::Verdict::tampered) return "was tampered with; look at it first";
  if (!summary.end &&
      !ledger::is_abandoned({summary.task, summary.deadline_unix_s, summary.owner})) {
    return "is of a task that is open";
  }
  return summary.last_ms < before_ms ? "" : "is not that old";
}

/// What goes, and what stays.
struct Purge {
  std::vector<std::filesystem::path> files;
  std::vector<ledger::ClosedChain> chains;  ///< of the files, in their order
  std::size_t kept = 0;
  bool tampered = false;
};

Purge plan_purge(const std::filesystem::path& folder, std::uint64_t before_ms) {
  Purge purge;
  for (const std::filesystem::path& path : ledger::chain_files(folder)) {
    const ledger::Verification found = verify_file(path.string(), {});
    std::string why = why_kept(found, before_ms);
    const auto closed = ledger::closed_chain(path, found);
    if (why.empty() && !closed) why = "is of a task that is open";
    if (why.empty()) {
      purge.files.push_back(path);
      purge.chains.push_back(*closed);
      continue;
    }
    ++purge.kept;
    if (found.verdict == ledger::Verdict::tampered) {
      purge.tampered = true;
      std::cout << "kept " << printable_utf8(path.string()) << ": it " << why << '\n';
    }
  }
  return purge;
}

/// Writes down what is about to go, so that nobody takes it for stolen.
void record_purge(const std::filesystem::path& folder, const Purge& purge, std::uint64_t now_ms) {
  ledger::ChainLogFile file(folder);
  std::vector<ledger::ClosedChain> records;
  for (std::size_t i = 0; i < purge.files.size(); ++i) {
    const ledger::ClosedChain& chain = purge.chains[i];
    const std::string& serial = chain.task.serial;
    // A copy under another name is not the chain that somebody may miss.
    if (purge.files[i].stem() != serial) continue;
    if (file.log().closed(serial) == nullptr) records.push_back(chain);
    if (file.log().purged(serial) != nullptr) continue;
    ledger::ClosedChain gone = chain;
    gone.event = ledger::ClosedChain::Event::purged;
    gone.time_ms = now_ms;
    records.push_back(std::move(gone));
  }
  file.add(records);
}

int run_audit_purge(const AuditPurgeOptions& options) {
  const std::uint64_t age_s =
      static_cast<std::uint64_t>(duration_option("--older", options.older).count());
  const std::uint64_t now_s = unix_now_s();
  const std::uint64_t before_ms = now_s > age_s ? (now_s - age_s) * 1000 : 0;
  const std::filesystem::path folder = ledger_folder(options.folder, options.config_file);
  const AsOwner as_owner(folder);
  const Purge purge = plan_purge(folder, before_ms);
  if (!options.dry_run && !purge.files.empty()) record_purge(folder, purge, now_s * 1000);
  for (std::size_t i = 0; i < purge.files.size(); ++i) {
    const std::string path = purge.files[i].string();
    if (!options.dry_run && unlink(path.c_str()) != 0) throw file_failure(path, errno);
    std::cout << (options.dry_run ? "would remove " : "removed ") << printable_utf8(path)
              << ", task " << purge.chains[i].task.id << '\n';
  }
  std::cout << purge.files.size() << (options.dry_run ? " would be removed, " : " removed, ")
            << purge.kept << " kept\n";
  return purge.tampered ? kChecksFailed : kOk;
}

}  // namespace

void add_audit_purge(CLI::App& audit, int& status) {
  const auto options = std::make_shared<AuditPurgeOptions>();
  CLI::App* command =
      audit.add_subcommand("purge", "Remove the ledgers of tasks that ended long ago");
  command->footer(
      "Chains of open tasks stay, and so do those that were tampered with: the exit status is 1\n"
      "then, else 0. What goes is written down in the folder, for `mayfly audit verify`.");
  add_config_option(*command, options->config_file);
  command->add_option("--folder", options->folder, "The ledgers (default: ledger.folder)")
      ->type_name("FOLDER");
  command->add_option("--older", options->older, "How long ago the last entry must be: 90d")
      ->required()
      ->type_name("TIME");
  command->add_flag("--dry-run", options->dry_run, "Say what would be removed");
  command->callback([options, &status] { status = run_audit_purge(*options); });
}

}  // namespace mayfly::tools
