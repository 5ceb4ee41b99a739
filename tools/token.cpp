// `mayfly token`: credentials of tasks, as those see them who rely on them.
#include "tools/commands.h"
#include "tools/token_verify.h"

namespace mayfly::tools {

void add_token(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("token", "Credentials of tasks, for those who rely on them");
  command->require_subcommand(1);
  add_token_verify(*command, status);
}

}  // namespace mayfly::tools
