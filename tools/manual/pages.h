// The manual pages of the command and of its configuration.
#pragma once

#include <string>
#include <vector>

#include "tools/manual/command_description.h"

namespace mayfly::tools {

struct ManualPage {
  std::string file;  ///< "mayfly-run.1"
  std::string text;  ///< man(7)
};

/// mayfly(1), and a page for each subcommand with all that is below it.
[[nodiscard]] std::vector<ManualPage> command_pages(const CommandDescription& mayfly);

/// mayfly.toml(5): each table and key of the configuration.
[[nodiscard]] ManualPage config_page();

}  // namespace mayfly::tools
