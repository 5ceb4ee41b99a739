#include "tools/task_door.h"

#include <cstdlib>
#include <vector>

#include "base/utf8.h"
#include "tools/broker/runtime_folder.h"
#include "tools/configuration.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

using agent::BrokerLink;

/// A worker that runs answers at once; one that is stopped must not keep those that come after.
constexpr BrokerLink::Patience kPatience{std::chrono::seconds(10), std::chrono::minutes(10)};

/// The worker behind a door, if it holds the task. Empty asks for any.
std::shared_ptr<BrokerLink> ask_at(const std::string& door, const std::string& task) {
  auto link = std::make_shared<BrokerLink>(door, kPatience);
  return task.empty() || link->hello().task_id == task ? link : nullptr;
}

}  // namespace

TaskDoor find_task_door(const std::string& task, const std::string& config) {
  if (const char* const door = std::getenv("MAYFLY_SOCKET"); door != nullptr && *door != '\0') {
    if (auto link = ask_at(door, task)) return {door, std::move(link)};
  }
  if (task.empty()) throw Failure(kUsage, "say which task, by --task ID");
  std::vector<TaskDoor> found;
  for (const auto& door : broker::doors_of_runs(load_configuration(config).broker)) {
    try {
      if (auto link = ask_at(door, task)) found.push_back({door, std::move(link)});
    } catch (const Error&) {  // its run has just ended, or has not begun
    }
  }
  if (found.empty()) {
    throw Failure(kNoInput, "no task \"" + printable_utf8(task) +
                                "\" of this user's runs now by `mayfly run` and this "
                                "configuration");
  }
  if (found.size() > 1) {
    throw Failure(kUsage,
                  "several tasks of that ID run now; ask inside of the one that is meant, or set "
                  "MAYFLY_SOCKET to its door");
  }
  return std::move(found.front());
}

}  // namespace mayfly::tools
