// `mayfly credential`: what others accept of a task.
#include "tools/commands.h"
#include "tools/credential_issue.h"
#include "tools/credential_request.h"

namespace mayfly::tools {

void add_credential(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("credential", "Certificates of a task's keys, which end with the task");
  command->require_subcommand(1);
  add_credential_issue(*command, status);
  add_credential_request(*command, status);
}

}  // namespace mayfly::tools
