// `mayfly drill`: attacks on one's own configuration, each of which must fail.
#include <algorithm>
#include <csignal>
#include <fstream>
#include <iostream>
#include <memory>
#include <system_error>

#include "base/program_run.h"
#include "base/replace_file.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/drill/attempt.h"
#include "tools/drill/report.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

using drill::Attempt;
using drill::Ground;
using drill::Result;
using drill::Scenario;

struct DrillOptions {
  std::string config;
  std::string junit;
  std::vector<std::string> only;
  bool json = false;
  bool list = false;
  bool require_all = false;
};

// Whoever interrupts it gets what was found by then, and nothing is left behind.
volatile std::sig_atomic_t interrupted = 0;

void heed_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

/// The ground of this drill, which goes with all that is in it.
class OwnGround {
 public:
  explicit OwnGround(const Config& drilled) : ground_(Ground::make(drilled)) {}
  ~OwnGround() {
    sweep();
    std::error_code ignored;
    std::filesystem::remove_all(ground_.folder(), ignored);
  }
  OwnGround(const OwnGround&) = delete;
  OwnGround& operator=(const OwnGround&) = delete;

  [[nodiscard]] const Ground& ground() const noexcept { return ground_; }

 private:
  /// Has the keys destroyed that an attack left on a device that stores keys. They are recorded in
  /// the ground's own registry.
  void sweep() noexcept {
    if (!ground_.config().device.stored_keys) return;
    try {
      Bytes room(std::size_t{64} << 10);
      static_cast<void>(run_program(
          {.what = "mayfly reap",
           .arguments = {"/proc/self/exe", "reap", "--config", ground_.config_file().string()},
           .must_write = "what it found",
           .time_limit = std::chrono::seconds(60)},
          room));
    } catch (const std::exception& error) {
      std::cerr << "mayfly: keys of the drill may be left on the device: " << error.what() << '\n';
    }
  }

  Ground ground_;
};

std::vector<const Scenario*> wanted_scenarios(const std::vector<std::string>& only) {
  std::vector<const Scenario*> wanted;
  for (const std::string& name : only) {
    if (std::ranges::find(drill::scenarios(), name, &Scenario::name) == drill::scenarios().end()) {
      throw Failure(kUsage, "there is no attack \"" + name + "\"; see: mayfly drill --list");
    }
  }
  for (const Scenario& scenario : drill::scenarios()) {
    const bool named = std::ranges::find(only, scenario.name) != only.end();
    if (only.empty() || named) wanted.push_back(&scenario);
  }
  return wanted;
}

drill::Subject subject_of(const Config& config) {
  return {config.file.string(), config.device.type == DeviceType::tpm ? "TPM at " + config.tpm.tcti
                                                                      : config.device.token};
}

std::vector<Attempt> attack(const Config& config, const DrillOptions& options) {
  const std::vector<const Scenario*> wanted = wanted_scenarios(options.only);
  heed_interrupts();
  const OwnGround own(config);
  std::vector<Attempt> attempts;
  for (const Scenario* scenario : wanted) {
    if (interrupted != 0) {
      attempts.push_back({scenario, {Result::not_tried, "the drill was interrupted"}, {}});
    } else {
      attempts.push_back(drill::attempt(own.ground(), *scenario));
    }
    if (!options.json) drill::print_line(std::cout, attempts.back());
  }
  return attempts;
}

int run_drill(const DrillOptions& options) {
  if (options.list) {
    if (options.json) {
      drill::print_list_json(std::cout);
    } else {
      drill::print_list(std::cout);
    }
    return kOk;
  }
  const Config config = load_configuration(options.config);
  const std::vector<Attempt> attempts = attack(config, options);
  const drill::Subject subject = subject_of(config);
  if (options.json) {
    drill::print_json(std::cout, subject, attempts);
  } else {
    drill::print_sum(std::cout, attempts);
  }
  if (!options.junit.empty()) {
    replace_file(options.junit, as_bytes(drill::junit(subject, attempts)));
  }
  const std::size_t not_tried = count(attempts, Result::not_tried);
  const bool failed = count(attempts, Result::broken) + count(attempts, Result::unclear) != 0 ||
                      (options.require_all && not_tried != 0);
  return failed || interrupted != 0 ? kChecksFailed : kOk;
}

void add_attack(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand(drill::kAttackCommand)->group("")->prefix_command();
  command->callback([command, &status] { status = drill::run_attack(command->remaining()); });
}

}  // namespace

void add_drill(CLI::App& app, int& status) {
  const auto options = std::make_shared<DrillOptions>();
  CLI::App* command =
      app.add_subcommand("drill", "Attack this configuration, and tell which attacks fail");
  command->footer(
      "Each attack is made on the configured device, with throw-away tasks, grants, ledgers and "
      "registry.\n"
      "A line says \"held\" if it failed, as it must; BROKEN if it succeeded; \"not tried\" if it "
      "can't be\n"
      "tried here; \"unclear\" if it broke off. The exit status is 0 if none is BROKEN or unclear, "
      "else 1.");
  add_config_option(*command, options->config);
  command->add_option("--only", options->only, "The attacks to make, by name")->type_name("NAME");
  command->add_flag("--list", options->list, "List the attacks, and make none");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->add_option("--junit", options->junit, "Write the result as JUnit's XML, too")
      ->type_name("FILE");
  command->add_flag("--require-all", options->require_all,
                    "Fail as well if an attack could not be tried");
  command->callback([options, &status] { status = run_drill(*options); });
  add_attack(app, status);
}

}  // namespace mayfly::tools
