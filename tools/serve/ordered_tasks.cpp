#include "tools/serve/ordered_tasks.h"

#include <thread>

namespace mayfly::serve {
namespace {

constexpr std::chrono::milliseconds kPause{50};

}  // namespace

std::vector<TaskRecord> wait_for_ordered(Registry& registry, std::vector<TaskRecord> tasks,
                                         std::chrono::milliseconds most) {
  const auto deadline = std::chrono::steady_clock::now() + most;
  std::vector<TaskRecord> ended;
  while (true) {
    std::erase_if(tasks, [&](TaskRecord& task) {
      const auto now = registry.tasks({.serial = task.serial, .ended_too = true});
      if (!now.empty()) task = now.front();
      if (!now.empty() && !is_final(task.state)) return false;
      ended.push_back(task);
      return true;
    });
    if (tasks.empty() || std::chrono::steady_clock::now() > deadline) break;
    std::this_thread::sleep_for(kPause);
  }
  ended.insert(ended.end(), tasks.begin(), tasks.end());
  return ended;
}

}  // namespace mayfly::serve
