// The process that runs a command inside a task.
#pragma once

#include "config/config.h"
#include "tools/broker/run_request.h"

namespace mayfly::broker {

/// Runs a command inside a task of its own: starts the worker that opens the task, then the
/// command, and ends the task and all the command's descendants when the command has ended.
///
/// The process must have one thread. It forks: a child of it does all that, and it watches over the
/// child (see Guardian); both return from here. Neither reads a PIN, nor anything that the command
/// sends.
///
/// @return the command's wait status, as waitpid(2) gives it; that of a death by signal if such a
///         signal came before the command was started.
/// @throws tools::Failure, or Error what the worker could not do; everything is taken down then.
[[nodiscard]] int run(const Config& config, const RunRequest& request);

}  // namespace mayfly::broker
