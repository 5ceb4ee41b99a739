// mayfly reap: destroys the keys that dead processes left on a device, and what belongs to them.
#include <iostream>
#include <memory>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include "compose/library.h"
#include "compose/registry.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/exit_status.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

struct ReapOptions {
  std::string config_file;
  std::string broker;
  bool recorded = false;
  bool rebooted = false;
  bool json = false;
};

/// The serials of the tasks of a broker that is gone, of which none is open any more.
std::set<std::string> tasks_of_lost(const Config& config, const std::string& broker) {
  const std::unique_ptr<Registry> registry = open_registry(config, RegistryUse::host);
  for (const BrokerRecord& known : registry->brokers()) {
    if (known.id != broker) continue;
    throw Failure(
        kUsage, "broker " + broker + " is not gone: it renews its lease; nothing of it is touched");
  }
  std::set<std::string> serials;
  TaskFilter filter{.broker = broker, .ended_too = true};
  for (bool more = true; more;) {
    const std::vector<TaskRecord> page = registry->tasks(filter);
    for (const TaskRecord& task : page) {
      if (is_final(task.state)) serials.insert(task.serial);
      filter.after = task.number;
    }
    more = page.size() == filter.most;
  }
  return serials;
}

/// Opens the device, and gives it back whatever happens.
ReapReport reap(const Config& config, const ReapOptions& options) {
  set_device_environment(config.device.environment);
  struct Close {
    void operator()(Device* device) const noexcept {
      device->close();
      delete device;
    }
  };
  const std::set<std::string> serials =
      options.broker.empty() ? std::set<std::string>() : tasks_of_lost(config, options.broker);
  const std::unique_ptr<Device, Close> device(open_device(config, DeviceUse::reaping).release());
  if (!options.broker.empty()) return device->reap_tasks(serials);
  return device->reap(options.recorded ? ReapReach::recorded : ReapReach::device,
                      options.rebooted ? EarlierBoots::are_over : EarlierBoots::may_live);
}

void print(const ReapReport& report, DeviceType device, bool json) {
  if (json) {
    std::cout << nlohmann::json({{"destroyed", report.destroyed},
                                 {"pending", report.pending},
                                 {"missing", report.missing},
                                 {"alive", report.alive},
                                 {"foreign", report.foreign}})
                     .dump(2)
              << '\n';
    return;
  }
  if (device == DeviceType::tpm) {
    std::cout << "destroyed  " << report.destroyed << "  counters and sessions of dead processes\n"
              << "alive      " << report.alive << "  counters and sessions whose process may live\n"
              << "foreign    " << report.foreign << "  counters that are not mayfly's, untouched\n";
    return;
  }
  std::cout << "destroyed  " << report.destroyed << "  keys of dead processes\n"
            << "pending    " << report.pending << "  dead keys that the device would not destroy\n"
            << "missing    " << report.missing << "  dead keys on record that the device has not\n"
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
      "that it is mayfly's, and if its process is proven dead or, where that can't be told from\n"
      "here, its deadline is five minutes past. If anything can't be looked up, nothing is\n"
      "destroyed. On a TPM it ends the keys of dead processes by their counters, if "
      "tpm.kill-switch\n"
      "was on, and flushes their sessions, if registry.file says whose they are.\n"
      "The exit status is 0 if no dead key is left, 75 if the device would not destroy\n"
      "some: then try again later.");
  add_config_option(*command, options->config_file);
  command
      ->add_option("--broker", options->broker,
                   "Destroy the keys of the tasks of a broker that is gone, as the registry has "
                   "it, on whatever machine it was")
      ->type_name("ID");
  command->add_flag("--recorded", options->recorded,
                    "Look for the keys on record only, not at every key on the device");
  command->add_flag("--rebooted", options->rebooted,
                    "Take this machine's processes of before its last start for dead; say so only "
                    "where no clone of the machine can be running");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([options, &status] {
    const Config config = load_configuration(options->config_file);
    if (config.device.type == DeviceType::pkcs11 && !config.registry.is_there()) {
      std::cerr << "mayfly: nothing to look for: keys are session objects, which the device itself "
                   "destroys; to look all the same, name a registry.file\n";
      return;
    }
    const ReapReport report = reap(config, *options);
    print(report, config.device.type, options->json);
    status = report.pending == 0 ? kOk : kTryAgain;
  });
}

}  // namespace mayfly::tools
