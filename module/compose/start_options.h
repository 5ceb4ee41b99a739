// What a process that loads the module asks for at C_Initialize.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace mayfly {

/// StartOptions come from pReserved (`task=ID ttl=15m conf=FILE`, as p11-kit's x-init-reserved and
/// NSS's parameters give it), else from the environment: MAYFLY_TASK, MAYFLY_TTL, MAYFLY_CONF.
struct StartOptions {
  std::string task_id;                      ///< empty: no task is opened
  std::optional<std::chrono::seconds> ttl;  ///< nothing takes the configuration's
  std::string config_file;                  ///< empty: Config::find() looks

  /// @param reserved  Words of the form key=value, apart by blanks; a value may stand in single or
  ///                  double quotes. Other keys than ours are refused.
  /// @throws Error CKR_ARGUMENTS_BAD for a malformed text or ttl.
  [[nodiscard]] static StartOptions read(const std::string& reserved);
};

}  // namespace mayfly
