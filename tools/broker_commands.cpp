#include "tools/broker_commands.h"

#include <iostream>

#include "compose/registry.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

using nlohmann::json;

/// Users of a service need no configuration of their own: it serves where services do.
std::string control_path(const BrokerOptions& options) {
  if (!options.socket.empty()) return options.socket;
  if (options.config.empty()) {
    try {
      static_cast<void>(Config::find(options.config));
    } catch (const Error&) {
      return ServeConfig().socket.string();
    }
  }
  return load_configuration(options.config).serve.socket.string();
}

void print_ended_task(const json& task) {
  std::cout << task.at("serial").get<std::string>() << "  " << task.at("state").get<std::string>();
  if (task.contains("destroyed")) {
    std::cout << "  keys destroyed " << task.at("destroyed") << ", pending " << task.at("pending");
    if (!task.at("confirmed").get<bool>()) std::cout << ", not confirmed";
  } else {
    std::cout << "  at broker " << task.at("broker").get<std::string>();
  }
  std::cout << "  " << task.at("task").get<std::string>() << '\n';
}

}  // namespace

void add_broker_options(CLI::App& command, BrokerOptions& options) {
  add_config_option(command, options.config);
  command
      .add_option("--socket", options.socket,
                  "The broker's control socket (default: serve.socket of the configuration)")
      ->type_name("PATH");
}

std::optional<serve::ControlClient> find_broker(const BrokerOptions& options) {
  return serve::ControlClient::connect(control_path(options));
}

serve::ControlClient require_broker(const BrokerOptions& options) {
  if (auto client = find_broker(options)) return std::move(*client);
  throw Failure(kDeviceMissing,
                "no broker serves at " + control_path(options) + "; start one: mayfly serve");
}

std::unique_ptr<Registry> open_registry_instead(const BrokerOptions& options) {
  const Config config = load_configuration(options.config);
  if (!config.registry.is_there()) {
    throw Failure(kDeviceMissing, "no broker serves at " + control_path(options) +
                                      ", and there is no [registry] to look into; start one: "
                                      "mayfly serve");
  }
  return open_registry(config, RegistryUse::host);
}

void print_json(const json& value) {
  std::cout << value.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

void print_ended(const json& answer, bool as_json) {
  if (as_json) return print_json(answer);
  for (const json& task : answer.at("tasks")) print_ended_task(task);
  if (const auto more = answer.at("more").get<std::uint64_t>(); more > 0) {
    std::cout << "and " << more << " more\n";
  }
  std::cout << "keys destroyed: " << answer.at("destroyed") << ", pending: " << answer.at("pending")
            << '\n';
  for (const json& problem : answer.at("problems")) {
    std::cerr << "mayfly: " << problem.get<std::string>() << '\n';
  }
}

int status_in(const json& answer) { return answer.at("status").get<int>(); }

}  // namespace mayfly::tools
