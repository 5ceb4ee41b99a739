// mayfly run: a command inside a task.
#include <cstdlib>
#include <memory>
#include <signal.h>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <utility>
#include <vector>

#include "compose/start_options.h"
#include "tools/broker/run_request.h"
#include "tools/broker/supervisor.h"
#include "tools/broker/worker.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/duration_option.h"

namespace mayfly::tools {
namespace {

struct Options {
  std::string task;
  std::string ttl;
  std::string policy;
  std::string grant;
  std::string config;
  std::string program;
  bool module_only = false;
};

/// Ends this process as the command ended: by its exit status, or by the signal that ended it, so
/// that whoever waits for mayfly learns the same as if he had waited for the command.
int end_like(int wait_status) {
  if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
  const int number = WTERMSIG(wait_status);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  signal(number, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, number);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  raise(number);
  return 128 + number;  // the first process of a container does not die of its own signal
}

/// The command: its program was given to an option, its arguments are what CLI11 has left over,
/// with the -- before the program as the first of them.
std::vector<std::string> make_command(const std::string& program,
                                      std::vector<std::string> left_over) {
  if (!left_over.empty() && left_over.front() == "--") {
    left_over.front() = program;
  } else {
    left_over.insert(left_over.begin(), program);
  }
  return left_over;
}

broker::RunRequest make_request(const Options& options, std::vector<std::string> command) {
  broker::RunRequest request;
  // CLI11 takes the next word for the value of "--task=".
  request.task_id = options.task == "--" ? "" : options.task;
  request.command = std::move(command);
  request.policy = options.policy;
  request.grant_file = options.grant;
  request.module_only = options.module_only;
  if (!options.ttl.empty()) request.ttl = duration_option("--ttl", options.ttl);
  // Who names a configuration means a task of its own, wherever it is run.
  const char* door = std::getenv("MAYFLY_SOCKET");
  if (options.config.empty() && door != nullptr) request.above = door;
  return request;
}

/// Inside a task there may be none: what a command there needs, the worker of the task above says.
Config configuration(const Options& options, const broker::RunRequest& request) {
  if (request.above.empty()) return load_configuration(options.config);
  StartOptions start;
  start.broker = request.above;
  return start.load_config();
}

void add_worker(CLI::App& app, int& status) {
  CLI::App* worker = app.add_subcommand(broker::kWorkerCommand)->group("")->prefix_command();
  worker->callback([worker, &status] { status = broker::run_worker(worker->remaining()); });
}

}  // namespace

void add_run(CLI::App& app, int& status) {
  CLI::App* run = app.add_subcommand("run", "Run a command with a token of its own");
  const auto options = std::make_shared<Options>();
  run->add_option("--task", options->task, "The task's ID, which is the token's label")
      ->required()
      ->type_name("ID");
  run->add_option("--ttl", options->ttl, "How long its keys live at most, such as 90s or 15m")
      ->type_name("TIME");
  run->add_option("--policy", options->policy, "The [policy.NAME] that confines it further")
      ->type_name("NAME");
  run->add_option("--grant", options->grant,
                  "The file with the grant that allows it, or with a ticket (default: "
                  "$MAYFLY_GRANT_FILE)")
      ->envname("MAYFLY_GRANT_FILE")
      ->type_name("FILE");
  run->add_option("--config", options->config, "The configuration file")->type_name("FILE");
  run->add_flag("--module-only", options->module_only,
                "Let in libmayfly.so only, and not p11-kit's clients");
  // One string only: of a list of them, CLI11 would split "[a,b]". The rest is left over.
  run->add_option("COMMAND", options->program, "The command and its arguments, after --")
      ->type_name("ARGUMENTS...");
  run->allow_extras();
  run->description(
      "Run a command with a token of its own, whose keys die with it:\n\n"
      "  mayfly run --task ID -- COMMAND ARGUMENTS...");
  run->footer(
      "COMMAND finds the token by P11_KIT_SERVER_ADDRESS and MAYFLY_SOCKET; clients that want\n"
      "a module take $MAYFLY_PKCS11_MODULE. When COMMAND has ended, the task's keys are destroyed "
      "and all\n"
      "processes that came of it are ended. The exit status is COMMAND's. Inside a task, and "
      "without\n"
      "--config, the new one is below it: tighter, no longer, and ended with it.");
  run->callback([run, options, &status] {
    const broker::RunRequest request =
        make_request(*options, make_command(options->program, run->remaining()));
    status = end_like(broker::run(configuration(*options, request), request));
  });
  add_worker(app, status);
}

}  // namespace mayfly::tools
