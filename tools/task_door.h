// The door of a task that runs now.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "device/broker/broker_link.h"

namespace mayfly::tools {

/// The socket at which the worker of a task lets agents in, and a connection to it.
struct TaskDoor {
  std::filesystem::path path;
  std::shared_ptr<agent::BrokerLink> link;
};

/// The door of a task of this user's: that of the task we are in, or one that is found.
/// @param task    The task's ID; empty asks for the one we are in.
/// @param config  What --config said; where to look is read from there.
/// @throws Failure kUsage when no task is named, or several of that ID run; kNoInput when none
///         does.
[[nodiscard]] TaskDoor find_task_door(const std::string& task, const std::string& config);

}  // namespace mayfly::tools
