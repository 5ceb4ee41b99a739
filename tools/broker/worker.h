// The process that holds the device and serves one task.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace mayfly::broker {

/// The first argument of a process that is a worker. Not for people.
inline constexpr const char* kWorkerCommand = "broker-worker";

/// What a supervisor tells its worker by the command line: no secret is among it.
struct WorkerArguments {
  int control = -1;  ///< descriptor of the control channel
  int p11kit = -1;   ///< descriptor of the socket for p11-kit's clients; -1 for none
  int agents = -1;   ///< descriptor of the socket for libmayfly.so
  pid_t supervisor = -1;
  std::string config;  ///< the configuration file
  std::string task_id;
  std::optional<std::chrono::seconds> ttl;
  std::string policy;  ///< as RunRequest::policy
  int grant = -1;      ///< descriptor of the file with the grant; -1 for none
};

/// The arguments behind kWorkerCommand.
[[nodiscard]] std::vector<std::string> to_strings(const WorkerArguments& arguments);

/// The same for a worker of `mayfly serve`, which is told everything by a file in memory.
/// @param orders  Descriptor of the file that make_orders_file() made.
[[nodiscard]] std::vector<std::string> ordered_worker_strings(int control, pid_t broker,
                                                              int orders);

/// Runs a worker until its task has ended, then leaves the process without running what libraries
/// registered for its exit. Failures are the supervisor's to report.
/// @param arguments  As to_strings() gave them.
/// @return only if the arguments are none of a supervisor's: kUsage.
int run_worker(std::span<const std::string> arguments);

}  // namespace mayfly::broker
