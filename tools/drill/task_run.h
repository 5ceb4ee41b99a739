// `mayfly run`, as an attacker meets it.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/descriptor.h"
#include "tools/drill/ground.h"

namespace mayfly::drill {

/// TaskRun models one `mayfly run` of a command that does nothing until it is told to end. Killed
/// when it goes.
class TaskRun {
 public:
  struct Options {
    std::string policy;
    std::string ttl = "2m";
    std::string grant;   ///< empty: one of the ground's own where one is needed
    std::string config;  ///< empty: the ground's
  };

  /// Returns when the command runs.
  /// @throws std::runtime_error with what mayfly said if it does not come to that.
  TaskRun(const Ground& ground, const std::string& task, const Options& options);
  TaskRun(const Ground& ground, const std::string& task) : TaskRun(ground, task, Options()) {}
  ~TaskRun();
  TaskRun(const TaskRun&) = delete;
  TaskRun& operator=(const TaskRun&) = delete;

  [[nodiscard]] const std::filesystem::path& door() const noexcept { return door_; }
  [[nodiscard]] pid_t command() const noexcept { return command_; }
  /// The process that was started, and those below it. @throws std::runtime_error
  [[nodiscard]] pid_t guardian() const noexcept { return guardian_; }
  [[nodiscard]] pid_t supervisor() const noexcept { return supervisor_; }
  [[nodiscard]] pid_t worker() const noexcept { return worker_; }

  /// Lets the command end, and waits for mayfly.
  void end();
  /// Waits for the end that something else brings.
  void wait();
  /// What mayfly has said.
  [[nodiscard]] std::string errors() const;

 private:
  void find_processes();
  bool is_over(std::chrono::seconds within);

  std::filesystem::path errors_;
  pid_t guardian_ = -1;
  pid_t supervisor_ = -1;
  pid_t worker_ = -1;
  pid_t command_ = -1;
  std::vector<Descriptor> below_;  // the same as pidfds: a number may soon be another's
  Descriptor input_;
  std::filesystem::path door_;
};

/// Whether a process is there, and no zombie.
[[nodiscard]] bool lives(pid_t process);
/// Waits until it is not; false if it still is.
[[nodiscard]] bool dies(pid_t process, std::chrono::seconds within);
/// Stops a process, and returns when each of its threads has stopped.
/// @throws std::runtime_error
void stop(pid_t process);

}  // namespace mayfly::drill
