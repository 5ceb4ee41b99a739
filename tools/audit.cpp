// `mayfly audit`: what was done with the keys of tasks, and whether that can be believed.
#include "tools/audit_checkpoint.h"
#include "tools/audit_export.h"
#include "tools/audit_purge.h"
#include "tools/audit_show.h"
#include "tools/audit_verify.h"
#include "tools/commands.h"

namespace mayfly::tools {

void add_audit(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("audit", "The ledgers of tasks: verify and read them");
  command->require_subcommand(1);
  add_audit_verify(*command, status);
  add_audit_show(*command, status);
  add_audit_checkpoint(*command, status);
  add_audit_export(*command, status);
  add_audit_purge(*command, status);
}

}  // namespace mayfly::tools
