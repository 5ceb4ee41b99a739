// How a worker is told what to do: the strings of its command line.
#include <chrono>
#include <string>
#include <sys/types.h>
#include <vector>

#include "tools/broker/worker.h"

namespace mayfly::broker {

std::vector<std::string> ordered_worker_strings(int control, pid_t broker, int orders) {
  return {std::to_string(control), std::to_string(broker), std::to_string(orders)};
}

std::vector<std::string> to_strings(const WorkerArguments& arguments) {
  return {std::to_string(arguments.control),
          std::to_string(arguments.p11kit),
          std::to_string(arguments.agents),
          std::to_string(arguments.supervisor),
          arguments.config,
          arguments.task_id,
          std::to_string(arguments.ttl.value_or(std::chrono::seconds(0)).count()),
          arguments.policy,
          std::to_string(arguments.grant)};
}

}  // namespace mayfly::broker
