// `mayfly credential request`: asks an issuer elsewhere for a certificate.
#pragma once

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// Adds the subcommand, as tools/commands.h says.
void add_credential_request(CLI::App& credential, int& status);

}  // namespace mayfly::tools
