// `mayfly attest`: evidence that a task's key lives in a TPM.
#include <iostream>
#include <memory>

#include "tools/attest_enroll.h"
#include "tools/attest_task.h"
#include "tools/attest_verify.h"
#include "tools/commands.h"

namespace mayfly::tools {

void add_attest(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("attest", "Evidence that a task's key lives in a TPM and ends with it");
  command->require_subcommand(0, 1);
  add_attest_task(*command, status);
  add_attest_verify(*command, status);
  add_attest_enroll(*command, status);
}

}  // namespace mayfly::tools
