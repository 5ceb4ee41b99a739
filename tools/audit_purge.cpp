#include "tools/audit_purge.h"

#include <cerrno>
#include <iostream>
#include <memory>
#include <string>
#include <unistd.h>

#include "base/clock.h"
#include "ledger/chain_folder.h"
#include "tools/audit_chains.h"
#include "tools/commands.h"
#include "tools/configuration.h"
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

std::filesystem::path folder_of(const AuditPurgeOptions& options) {
  if (!options.folder.empty()) return options.folder;
  const Config config = load_configuration(options.config_file);
  if (!config.ledger.folder.empty()) return config.ledger.folder;
  throw Failure(kUsage, config.file.string() + " names no ledger.folder; give --folder");
}

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

int run_audit_purge(const AuditPurgeOptions& options) {
  const std::uint64_t age_s =
      static_cast<std::uint64_t>(duration_option("--older", options.older).count());
  const std::uint64_t now_s = unix_now_s();
  const std::uint64_t before_ms = now_s > age_s ? (now_s - age_s) * 1000 : 0;
  std::size_t removed = 0;
  std::size_t kept = 0;
  bool tampered = false;
  for (const std::filesystem::path& path : ledger::chain_files(folder_of(options))) {
    const ledger::Verification found = verify_file(path.string(), {});
    if (const std::string why = why_kept(found, before_ms); !why.empty()) {
      ++kept;
      if (found.verdict == ledger::Verdict::tampered) {
        tampered = true;
        std::cout << "kept " << path.string() << ": it " << why << '\n';
      }
      continue;
    }
    if (!options.dry_run && unlink(path.c_str()) != 0) throw file_failure(path.string(), errno);
    ++removed;
    std::cout << (options.dry_run ? "would remove " : "removed ") << path.string() << ", task "
              << found.summary.task.id << '\n';
  }
  std::cout << removed << (options.dry_run ? " would be removed, " : " removed, ") << kept
            << " kept\n";
  return tampered ? kChecksFailed : kOk;
}

}  // namespace

void add_audit_purge(CLI::App& audit, int& status) {
  const auto options = std::make_shared<AuditPurgeOptions>();
  CLI::App* command =
      audit.add_subcommand("purge", "Remove the ledgers of tasks that ended long ago");
  command->footer(
      "Chains of open tasks stay, and so do those that were tampered with: the exit status is 1\n"
      "then, else 0.");
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
