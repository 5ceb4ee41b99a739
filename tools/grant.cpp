// `mayfly grant`: signed, one-time permissions to open a task.
#include "tools/commands.h"
#include "tools/grant_approver.h"
#include "tools/grant_issue.h"
#include "tools/grant_show.h"
#include "tools/grant_ticket.h"
#include "tools/grant_verify.h"

namespace mayfly::tools {

void add_grant(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("grant", "Signed, one-time permissions to open a task");
  command->require_subcommand(1);
  add_grant_issue(*command, status);
  add_grant_show(*command, status);
  add_grant_verify(*command, status);
  add_grant_ticket(*command, status);
  add_grant_approver(*command, status);
}

}  // namespace mayfly::tools
