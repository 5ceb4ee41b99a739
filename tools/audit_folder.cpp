#include "tools/audit_folder.h"

#include "tools/configuration.h"
#include "tools/failure.h"

namespace mayfly::tools {

std::filesystem::path ledger_folder(const std::string& named, const Config& config) {
  if (!named.empty()) return named;
  if (!config.ledger.folder.empty()) return config.ledger.folder;
  throw Failure(kUsage, config.file.string() + " names no ledger.folder; give --folder");
}

std::filesystem::path ledger_folder(const std::string& named, const std::string& config_file) {
  return named.empty() ? ledger_folder(named, load_configuration(config_file))
                       : std::filesystem::path(named);
}

}  // namespace mayfly::tools
