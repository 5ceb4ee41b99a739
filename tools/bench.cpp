// mayfly bench: how fast one's own device is, with and without mayfly before it.
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/program_run.h"
#include "base/replace_file.h"
#include "tools/bench_measure.h"
#include "tools/broker/own_library.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/task_token.h"

namespace mayfly::tools {
namespace {

constexpr char kDevice[] = "device alone";
constexpr char kInProcess[] = "in process";
constexpr char kOwnDoor[] = "broker, libmayfly.so";
constexpr char kP11Kit[] = "broker, p11-kit-client.so";
constexpr char kTask[] = "mayfly bench";

// What a way needs beside the measuring: a device that opens slowly, keys of RSA that take theirs.
constexpr std::chrono::minutes kPatience{5};

struct BenchOptions {
  std::string config;
  double seconds = 2;
  std::size_t threads = 1;
  std::string key = "p256";
  std::string svg;
  std::string way;  // that this process is to measure; empty in the one that a person starts
  bool json = false;
};

BenchPlan plan_of(const BenchOptions& options) {
  return {options.key == "p256" ? BenchKey::p256 : BenchKey::rsa2048,
          std::chrono::milliseconds(static_cast<std::int64_t>(options.seconds * 1'000)),
          options.threads};
}

void set_variable(const char* name, const std::string& value) {
  if (setenv(name, value.c_str(), 1) != 0) throw Failure(kSystem, "no memory");
}

BenchToken device_token(const Config& config) {
  set_device_environment(config.device.environment);
  return {config.device.module.string(), config.device.token, config.device.pin_source.read(),
          config.device.stored_keys};
}

/// The token of the task that this process is in.
BenchToken task_token(const Config& config, std::string library) {
  std::optional<SecretBuffer> pin;
  if (config.login.pin_source) pin = config.login.pin_source->read();
  return {std::move(library), kTaskTokens, std::move(pin)};
}

/// The same, and this process has the task itself.
BenchToken token_in_process(const Config& config) {
  set_device_environment(config.device.environment);
  unsetenv("MAYFLY_SOCKET");
  set_variable("MAYFLY_CONF", config.file.string());
  set_variable("MAYFLY_TASK", kTask);
  return task_token(config, broker::own_library());
}

/// Measures one way in this process, which is there for that alone.
Way measure_way(const BenchOptions& options, const Config& config) {
  const BenchPlan plan = plan_of(options);
  Way way;
  way.name = options.way;
  if (options.way == kDevice) {
    measure_token(plan, device_token(config), way);
  } else if (options.way == kInProcess) {
    measure_token(plan, token_in_process(config), way);
    unsetenv("MAYFLY_TASK");
    measure_tasks(plan, broker::own_library(), way);
  } else if (options.way == kOwnDoor) {
    measure_token(plan, task_token(config, broker::own_library()), way);
  } else if (options.way == kP11Kit) {
    const char* const module = std::getenv("MAYFLY_PKCS11_MODULE");
    if (module == nullptr) throw Failure(kNotFound, "p11-kit-client.so is not there");
    measure_token(plan, task_token(config, module), way);
  } else {
    throw Failure(kUsage, "there is no way called " + options.way);
  }
  return way;
}

/// What a person has started: each way is measured by a process of its own.
class Bench {
 public:
  Bench(const BenchOptions& options, const Config& config)
      : options_(options),
        config_(config),
        self_(std::filesystem::read_symlink("/proc/self/exe").string()) {}

  [[nodiscard]] std::vector<Way> measure_all() const {
    std::vector<Way> ways;
    if (config_.device.type == DeviceType::pkcs11) ways.push_back(measured(kDevice, false));
    ways.push_back(measured(kInProcess, false));
    ways.push_back(measured(kOwnDoor, true));
    add_tasks(ways.back());
    ways.push_back(measured(kP11Kit, true));
    return ways;
  }

 private:
  [[nodiscard]] Way measured(const char* name, bool in_task) const {
    try {
      std::vector<std::string> command = in_task ? run_command() : std::vector<std::string>();
      const std::vector<std::string> itself = {self_,       "bench",
                                               "--config",  config_.file.string(),
                                               "--key",     options_.key,
                                               "--seconds", std::to_string(options_.seconds),
                                               "--threads", std::to_string(options_.threads),
                                               "--way",     name};
      command.insert(command.end(), itself.begin(), itself.end());
      Bytes room(std::size_t{64} * 1024);
      const std::size_t size = run(std::move(command), room);
      return way_from(nlohmann::json::parse(as_text(ByteView(room).first(size))));
    } catch (const std::exception& error) {
      Way way;
      way.name = name;
      way.problem = error.what();
      return way;
    }
  }

  /// `mayfly run`, as it is for a command that does nothing.
  void add_tasks(Way& way) const {
    if (!way.problem.empty()) return;
    try {
      way.operations["task"] = measure(plan_of(options_).time, [this] {
        std::vector<std::string> command = run_command();
        command.emplace_back("/bin/true");
        Bytes room(1'024);
        run(std::move(command), room);
      });
    } catch (const std::exception& error) {
      way.problem = error.what();
    }
  }

  [[nodiscard]] std::vector<std::string> run_command() const {
    return {self_, "run", "--config", config_.file.string(), "--task", kTask, "--"};
  }

  std::size_t run(std::vector<std::string> command, ByteSpan room) const {
    return run_program(
        {"the program", std::move(command), {}, "figures", plan_of(options_).time * 4 + kPatience},
        room);
  }

  const BenchOptions& options_;
  const Config& config_;
  const std::string self_;
};

bool is_whole(const std::vector<Way>& ways) {
  for (const Way& way : ways) {
    if (!way.problem.empty()) return false;
  }
  return true;
}

void show(const BenchOptions& options, const Config& config, const std::vector<Way>& ways) {
  if (options.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const Way& way : ways) list.push_back(to_json(way));
    std::cout << list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  } else {
    print_ways(std::cout, ways);
  }
  if (options.svg.empty()) return;
  std::ostringstream picture;
  draw_ways(
      picture, ways,
      config.device.type == DeviceType::tpm ? "TPM, " + config.tpm.tcti : config.device.token);
  replace_file(options.svg, as_bytes(picture.str()));
}

void add_options(CLI::App& bench, BenchOptions& options) {
  add_config_option(bench, options.config);
  bench
      .add_option("--seconds", options.seconds, "How long each operation is measured (default: 2)")
      ->check(CLI::Range(0.01, 3'600.0))
      ->type_name("SECONDS");
  bench.add_option("--threads", options.threads, "How many threads sign at once (default: 1)")
      ->check(CLI::Range(1, 64))
      ->type_name("NUMBER");
  bench.add_option("--key", options.key, "p256 or rsa2048 (default: p256)")
      ->check(CLI::IsMember({"p256", "rsa2048"}))
      ->type_name("KIND");
  bench.add_option("--svg", options.svg, "Draw the figures into a file")->type_name("FILE");
  bench.add_flag("--json", options.json, "Print the figures as JSON");
  bench.add_option("--way", options.way)->group("");
}

}  // namespace

void add_bench(CLI::App& app, int& status) {
  CLI::App* bench = app.add_subcommand("bench", "Measure the device, with and without mayfly");
  const auto options = std::make_shared<BenchOptions>();
  add_options(*bench, *options);
  bench->footer(
      "Each way to the device makes keys, signs with one, and goes through whole cycles of a key:\n"
      "made, used, destroyed. `task` is a task from its opening to its end: of the broker, a\n"
      "`mayfly run` of a command that does nothing. Ratios compare medians with the first way.\n"
      "All keys are destroyed again. The exit status is 1 if a way could not be measured.");
  bench->callback([options, &status] {
    const Config config = load_configuration(options->config);
    if (!options->way.empty()) {
      std::cout << to_json(measure_way(*options, config)).dump() << '\n';
      status = kOk;
      return;
    }
    const std::vector<Way> ways = Bench(*options, config).measure_all();
    show(*options, config, ways);
    status = is_whole(ways) ? kOk : kChecksFailed;
  });
}

}  // namespace mayfly::tools
