// What a command finds in its environment.
#pragma once

#include <string>
#include <vector>

#include "tools/broker/run_request.h"
#include "tools/broker/runtime_folder.h"

namespace mayfly::broker {

/// The full path of p11-kit's client module; empty if it is not there.
[[nodiscard]] std::string p11kit_client_module();

/// This process's environment and, in place of what may stand there already:
///
/// - MAYFLY_SOCKET: the task's own door, where libmayfly.so looks for it
/// - P11_KIT_SERVER_ADDRESS: the task's socket, where p11-kit-client.so looks for it
/// - MAYFLY_TASK_ID
/// - MAYFLY_PKCS11_MODULE: the full path of p11-kit-client.so, for clients that want a module; not
///   set if that is not installed
/// - MAYFLY_P11_KIT_CONFIG: a module configuration for p11-kit that names the socket
///
/// With `module_only` there is nothing for p11-kit's client: P11_KIT_SERVER_ADDRESS is not set, and
/// the last two name libmayfly.so.
///
/// Nothing of the device is among it: [device.env] is the worker's.
[[nodiscard]] std::vector<std::string> command_environment(const RunRequest& request,
                                                           const RuntimeFolder& folder);

}  // namespace mayfly::broker
