// What completes the command line of mayfly in a shell.
#pragma once

#include <string>

#include "tools/manual/command_description.h"

namespace mayfly::tools {

/// A script for bash to source; bash-completion loads it by the command's name.
[[nodiscard]] std::string bash_completion(const CommandDescription& mayfly);

/// The same for zsh, as a file _mayfly in its $fpath or to source.
[[nodiscard]] std::string zsh_completion(const CommandDescription& mayfly);

}  // namespace mayfly::tools
