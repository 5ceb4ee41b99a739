// What `mayfly run` is asked for.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"

namespace mayfly::broker {

struct RunRequest {
  std::string task_id;
  std::optional<std::chrono::seconds> ttl;  ///< nothing takes task.ttl
  std::string policy;                       ///< the NAME of a [policy.NAME]; empty for none
  std::string grant_file;                   ///< with the grant, or a ticket for it; empty for none
  std::vector<std::string> command;         ///< the program and its arguments
  std::string above;  ///< the door of the task to open it below ($MAYFLY_SOCKET); empty for none
  bool module_only = false;  ///< no door for p11-kit's clients
};

/// Refuses what no task could be opened for, before anything is made for it. TaskTable::open() has
/// the last word all the same.
/// @throws tools::Failure kUsage, kBadPolicy, kNotAllowed, kBadTaskId, kBadTtl or kGrantRefused.
void check(const RunRequest& request, const Config& config);

}  // namespace mayfly::broker
