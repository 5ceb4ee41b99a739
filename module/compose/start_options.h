// What a process that loads the module asks for at C_Initialize.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "config/config.h"
#include "core/task_request.h"

namespace mayfly {

/// StartOptions come from pReserved (`task=ID ttl=15m policy=NAME grant=FILE conf=FILE`, or
/// `broker=SOCKET`, as p11-kit's x-init-reserved and NSS's parameters give it), else from the
/// environment: MAYFLY_TASK, MAYFLY_TTL, MAYFLY_POLICY, MAYFLY_GRANT_FILE and MAYFLY_CONF, or
/// MAYFLY_SOCKET.
struct StartOptions {
  std::string broker;  ///< the socket of a broker's worker; empty: tasks are opened in this process
  std::string task_id;                      ///< empty: no task is opened
  std::optional<std::chrono::seconds> ttl;  ///< nothing takes the configuration's
  std::string policy;  ///< the NAME of the [policy.NAME] that confines all tasks; empty for none
  std::string grant_file;   ///< with the grant, or a ticket for it; empty for none
  std::string config_file;  ///< empty: Config::find() looks

  /// @param reserved  Words of the form key=value, apart by blanks; a value may stand in single or
  ///                  double quotes. Other keys than ours are refused.
  /// @throws Error CKR_ARGUMENTS_BAD for a malformed text or ttl, and for a broker beside what
  ///         would open a task in this process.
  [[nodiscard]] static StartOptions read(const std::string& reserved);

  /// What to open the task with; one that wants a grant, and got none, awaits it.
  /// @throws Error as open_grant_file() and read_grant().
  [[nodiscard]] TaskRequest task_request() const;

  /// The configuration to start with: the file's, or what a client of a broker needs, which logs
  /// from the level in MAYFLY_LOG on.
  /// @throws Error as Config::find() and Config::load(); CKR_ARGUMENTS_BAD for an unknown level.
  [[nodiscard]] Config load_config() const;

 private:
  void settle_broker(bool own_task);
};

}  // namespace mayfly
