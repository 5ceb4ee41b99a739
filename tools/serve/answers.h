// What the control socket of `mayfly serve` answers.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/task.h"
#include "registry/records.h"
#include "tools/exit_status.h"
#include "tools/serve/served_task.h"

namespace mayfly::serve {

/// A refusal: {"status": N, "error": TEXT}. In all other answers the status is 0, or 75 for what is
/// not done yet.
[[nodiscard]] std::string refusal(tools::ExitStatus status, const std::string& why);

/// A task as lists have it.
[[nodiscard]] nlohmann::json describe(const TaskRecord& task);
[[nodiscard]] nlohmann::json describe(const ServedTask& task);
[[nodiscard]] nlohmann::json describe(const TaskTransition& transition);

/// EndedTasks collects what becomes of tasks that are ended together.
class EndedTasks {
 public:
  void add(const TaskPlan& plan, const TaskEnd& end);
  /// A task of another broker.
  void add(const TaskRecord& task);
  /// Something that could not be done, for people.
  void add_problem(std::string problem) { problems_.push_back(std::move(problem)); }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  /// {"status", "tasks": […], "more", "destroyed", "pending", "problems"}. Tasks whose end is not
  /// done come first; of all, as many are listed as an answer has room for.
  [[nodiscard]] nlohmann::json to_json() const;

 private:
  void add(nlohmann::json task, bool done);

  std::size_t count_ = 0;
  std::size_t destroyed_ = 0;
  std::size_t pending_ = 0;
  nlohmann::json undone_ = nlohmann::json::array();
  nlohmann::json done_ = nlohmann::json::array();
  bool all_done_ = true;
  std::vector<std::string> problems_;
};

}  // namespace mayfly::serve
