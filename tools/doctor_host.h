// What `mayfly doctor` looks at on the machine.
#pragma once

#include "config/config.h"
#include "tools/report.h"

namespace mayfly::tools {

/// p11-kit's client, that unmodified programs reach a task's token through.
void check_p11kit_client(Report& report);

/// libmayfly.so, for programs that load the module themselves.
void check_module_library(Report& report);

/// Whether secrets stay in memory: not swapped, not in core dumps.
void check_memory(Report& report);

/// The folder that runs keep their sockets in.
void check_runtime_folder(const Config& config, Report& report);

/// The file that refusals and faults are written to.
void check_log(const Config& config, Report& report);

}  // namespace mayfly::tools
