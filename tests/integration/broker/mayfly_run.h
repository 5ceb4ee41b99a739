// `mayfly run`, started by a test.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "integration/broker/broker_home.h"
#include "support/rounds.h"

namespace mayfly::test {

/// What became of a run.
struct Outcome {
  int wait_status = 0;
  std::string output;  ///< what came over standard output
  std::string errors;  ///< what came over standard error
};

/// MayflyRun models one `mayfly run` that is under way. Killed when it goes.
class MayflyRun {
 public:
  struct Options {
    std::vector<std::string> before;        ///< more options of mayfly
    std::function<void()> prepare = [] {};  ///< done in the child, before mayfly
  };

  /// Runs `mayfly run --config … --task TASK … -- COMMAND…`.
  MayflyRun(const BrokerHome& home, const std::string& task,
            const std::vector<std::string>& command, const Options& options);
  MayflyRun(const BrokerHome& home, const std::string& task,
            const std::vector<std::string>& command)
      : MayflyRun(home, task, command, Options()) {}
  ~MayflyRun();
  MayflyRun(const MayflyRun&) = delete;
  MayflyRun& operator=(const MayflyRun&) = delete;

  /// The process that was started, which watches over the supervisor.
  [[nodiscard]] pid_t guardian() const noexcept { return number_; }
  /// Waits for the supervisor's process. -1 if there is none in time.
  [[nodiscard]] pid_t supervisor() const;
  /// Waits for the worker's process. -1 if there is none in time.
  [[nodiscard]] pid_t worker() const;

  /// Waits until the output holds a text. False if it did not in time.
  [[nodiscard]] bool says(const std::string& text) const;
  [[nodiscard]] std::string output() const { return read_file(output_file()); }
  [[nodiscard]] std::string errors() const { return read_file(errors_file()); }

  void send(int signal) const;
  /// Waits for the end; fails the test if that takes longer than 60 s.
  Outcome wait();

 private:
  [[nodiscard]] std::filesystem::path output_file() const { return folder_.path() / "output"; }
  [[nodiscard]] std::filesystem::path errors_file() const { return folder_.path() / "errors"; }

  TempFolder folder_;
  pid_t number_ = -1;
};

/// The mayfly command that was built with this test.
[[nodiscard]] std::filesystem::path mayfly_program();

/// Runs a command in a task to its end.
Outcome run_in_task(const BrokerHome& home, const std::string& task,
                    const std::vector<std::string>& command,
                    const MayflyRun::Options& options = MayflyRun::Options());

/// Runs a shell script in a task to its end.
Outcome run_script(const BrokerHome& home, const std::string& task, const std::string& script);

/// A command that lists its open descriptors.
[[nodiscard]] std::vector<std::string> list_descriptors();

/// A shell command: the test's own client, on the token of the task that it runs in.
[[nodiscard]] std::string client(const std::string& action);

}  // namespace mayfly::test
