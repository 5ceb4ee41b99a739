// mayfly serve: the broker of many tasks, as a service.
#include <filesystem>
#include <memory>
#include <string>

#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/serve/service.h"

namespace mayfly::tools {

void add_serve(CLI::App& app, int& status) {
  CLI::App* serve = app.add_subcommand("serve", "Serve tasks, until it is told to end");
  const auto config = std::make_shared<std::string>();
  add_config_option(*serve, *config);
  serve->footer(
      "Tasks are opened by `mayfly open` and live until their deadline, `mayfly close` or\n"
      "`mayfly revoke`. SIGTERM ends all of them and then the broker; SIGHUP has it read the\n"
      "configuration again. The exit status is 75 if the device has not confirmed the destruction\n"
      "of all keys.");
  serve->callback([config, &status] {
    // Its complaints, in the words that every subcommand has for them.
    const Config loaded = load_configuration(*config);
    status = serve::serve(loaded.file);
  });
}

}  // namespace mayfly::tools
