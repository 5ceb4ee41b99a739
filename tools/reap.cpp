// mayfly reap: destroys the keys that dead processes left in a device's storage.
#include <iostream>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "compose/library.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/exit_status.h"

namespace mayfly::tools {
namespace {

struct ReapOptions {
  std::string config_file;
  bool json = false;
};

/// Opens the device, and gives it back whatever happens.
ReapReport reap(const Config& config) {
  set_device_environment(config.device.environment);
  struct Close {
    void operator()(Device* device) const noexcept {
      device->close();
      delete device;
    }
  };
  const std::unique_ptr<Device, Close> device(open_device(config).release());
  return device->reap(ReapReach::device);
}

void print(const ReapReport& report, bool json) {
  if (json) {
    std::cout << nlohmann::json({{"destroyed", report.destroyed},
                                 {"pending", report.pending},
                                 {"alive", report.alive},
                                 {"foreign", report.foreign}})
                     .dump(2)
              << '\n';
    return;
  }
  std::cout << "destroyed  " << report.destroyed << "  keys of dead processes\n"
            << "pending    " << report.pending << "  dead keys that the device would not destroy\n"
            << "alive      " << report.alive << "  keys whose process may live\n"
            << "foreign    " << report.foreign << "  objects that are not mayfly's, untouched\n";
}

}  // namespace

void add_reap(CLI::App& app, int& status) {
  const auto options = std::make_shared<ReapOptions>();
  CLI::App* command =
      app.add_subcommand("reap", "Destroy the keys that dead processes left on the device");
  command->footer(
      "For devices with device.keys = \"stored\". A key is destroyed only if its label and ID "
      "prove\n"
      "that it is mayfly's, and if its deadline is past or its process is proven dead. If "
      "anything\n"
      "can't be looked up, nothing is destroyed. The exit status is 0 if no dead key is left, 75 "
      "if\n"
      "the device would not destroy some: then try again later.");
  command
      ->add_option("--config", options->config_file,
                   "The configuration (default: $MAYFLY_CONF, then the user's, then the one in "
                   "/etc/mayfly)")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([options, &status] {
    const Config config = load_configuration(options->config_file);
    if (config.registry.file.empty()) {
      std::cerr << "mayfly: nothing to look for: keys are session objects, which the device itself "
                   "destroys; to look all the same, name a registry.file\n";
      return;
    }
    const ReapReport report = reap(config);
    print(report, options->json);
    status = report.pending == 0 ? kOk : kTryAgain;
  });
}

}  // namespace mayfly::tools
