#include "tools/drill/attempt.h"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/program_run.h"
#include "tools/exit_status.h"

namespace mayfly::drill {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kTimeLimit{60};
constexpr std::size_t kMostOutput = std::size_t{64} << 10;

Outcome outcome_of(const std::string& output) {
  try {
    const auto told = nlohmann::json::parse(output);
    return {static_cast<Result>(told.at("result").get<int>()), told.at("detail")};
  } catch (const nlohmann::json::exception&) {
    return {Result::unclear, "the attack's process did not say what happened"};
  }
}

Outcome try_it(const Ground& ground, const Scenario& scenario) {
  try {
    return scenario.run(ground);
  } catch (const NotTried& reason) {
    return {Result::not_tried, reason.what()};
  } catch (const std::exception& error) {
    return {Result::unclear, error.what()};
  }
}

/// Of the task that somebody drills in, if he does, attacks shall know nothing.
void forget_the_task_around_us() {
  for (const char* name : {"MAYFLY_TASK", "MAYFLY_TTL", "MAYFLY_POLICY", "MAYFLY_SOCKET",
                           "MAYFLY_GRANT_FILE", "MAYFLY_CONF"}) {
    unsetenv(name);
  }
}

/// What the attacked say of each refusal is for nobody who reads the report.
void silence(const Ground& ground) {
  const Descriptor file(
      open(ground.log_file().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (file) dup2(file.number(), STDERR_FILENO);
}

}  // namespace

Attempt attempt(const Ground& ground, const Scenario& scenario) {
  const auto start = steady_clock::now();
  Attempt result{&scenario, {}, {}};
  try {
    Bytes output(kMostOutput);
    output.resize(run_program(
        {.what = "the attack's process",
         .arguments = {"/proc/self/exe", kAttackCommand, scenario.name, ground.folder().string()},
         .must_write = "its outcome",
         .time_limit = kTimeLimit},
        output));
    result.outcome = outcome_of(std::string(as_text(output)));
  } catch (const Error& error) {
    result.outcome.detail = error.what();
  }
  result.took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start);
  return result;
}

int run_attack(std::span<const std::string> strings) {
  if (strings.size() != 2) return tools::kUsage;
  const auto found = std::ranges::find(scenarios(), strings[0], &Scenario::name);
  if (found == scenarios().end()) return tools::kUsage;
  forget_the_task_around_us();
  const Ground ground(strings[1]);
  silence(ground);
  const Outcome outcome = try_it(ground, *found);
  const std::string told =
      nlohmann::json{{"result", static_cast<int>(outcome.result)}, {"detail", outcome.detail}}.dump(
          -1, ' ', true, nlohmann::json::error_handler_t::replace);
  // At once: what the attack has loaded may have exit handlers that do not survive it.
  std::cout << told << std::flush;
  _exit(tools::kOk);
}

}  // namespace mayfly::drill
