// `mayfly doctor`: does every part work?
#include <iostream>
#include <memory>
#include <optional>
#include <sys/stat.h>

#include "base/guarded_file.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/doctor_device.h"
#include "tools/doctor_host.h"
#include "tools/doctor_tpm.h"
#include "tools/exit_status.h"
#include "tools/report.h"

namespace mayfly::tools {
namespace {

constexpr char kConfiguration[] = "configuration";

struct DoctorOptions {
  std::string config_file;
  bool json = false;
};

std::optional<Config> check_configuration(const std::string& explicit_path, Report& report) {
  Config config;
  try {
    config = load_configuration(explicit_path);
  } catch (const std::exception& failure) {
    report.fail(kConfiguration, failure.what());
    return std::nullopt;
  }
  report.ok(kConfiguration, config.file.string());
  return config;
}

/// Whoever can write in the folder can put another configuration there.
void check_folder(const Config& config, Report& report) {
  static constexpr char kName[] = "its folder";
  const std::string folder = config.file.parent_path().string();
  struct stat status {};
  if (stat(folder.c_str(), &status) != 0) return;
  const bool sticky = (status.st_mode & S_ISVTX) != 0;
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky) {
    return report.warn(kName,
                       "others can write in it, and so replace the configuration; run: chmod "
                       "go-w " +
                           shell_word(folder));
  }
  report.ok(kName, folder);
}

Report examine(const std::string& explicit_path) {
  Report report;
  const auto config = check_configuration(explicit_path, report);
  if (config) {
    check_folder(*config, report);
    check_log(*config, report);
    if (config->device.type == DeviceType::tpm) {
      check_tpm(*config, report);
    } else {
      check_device(*config, report);
    }
  } else {
    report.skip("device", kConfiguration);
  }
  check_p11kit_client(report);
  check_module_library(report);
  check_memory(report);
  if (config) {
    check_runtime_folder(*config, report);
  } else {
    report.skip("runtime folder", kConfiguration);
  }
  return report;
}

}  // namespace

void add_doctor(CLI::App& app, int& status) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = app.add_subcommand(
      "doctor", "Check that every part works, and say how to mend what does not");
  command->footer(
      "It goes from the configuration to a signature. The device is logged in to once; the test "
      "key\n"
      "is destroyed again. Each line is ok, warn, fail, or skipped where something else has to be\n"
      "mended first. The exit status is 0 if nothing failed, else 1.");
  add_config_option(*command, options->config_file);
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([options, &status] {
    const Report report = examine(options->config_file);
    if (options->json) {
      report.print_json(std::cout);
    } else {
      report.print_text(std::cout);
    }
    status = report.failed() ? kChecksFailed : kOk;
  });
}

}  // namespace mayfly::tools
