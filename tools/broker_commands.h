// What the subcommands share that speak to `mayfly serve`.
#pragma once

#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "registry/registry.h"
#include "tools/serve/control_client.h"

namespace mayfly::tools {

/// Which broker.
struct BrokerOptions {
  std::string config;
  std::string socket;  ///< of its control socket; empty takes the configuration's
};

/// Adds --config and --socket to a subcommand.
void add_broker_options(CLI::App& command, BrokerOptions& options);

/// The broker; nothing if none serves.
/// @throws Failure as load_configuration() and ControlClient::connect()
[[nodiscard]] std::optional<serve::ControlClient> find_broker(const BrokerOptions& options);

/// @throws Failure kDeviceMissing if no broker serves; as find_broker().
[[nodiscard]] serve::ControlClient require_broker(const BrokerOptions& options);

/// The registry itself, for when no broker serves here.
/// @throws Failure kDeviceMissing without a registry; as load_configuration(). Error as
/// open_registry()
[[nodiscard]] std::unique_ptr<Registry> open_registry_instead(const BrokerOptions& options);

/// Prints JSON, for machines.
void print_json(const nlohmann::json& value);

/// Prints what became of tasks that were ended together, as EndedTasks gives it.
void print_ended(const nlohmann::json& answer, bool json);

/// The exit status that an answer holds.
[[nodiscard]] int status_in(const nlohmann::json& answer);

}  // namespace mayfly::tools
