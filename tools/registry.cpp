// mayfly registry: the record of tasks and grants, and what it may forget.
#include "compose/registry.h"

#include <iostream>
#include <memory>
#include <string>

#include "compose/registry_purge.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/duration_option.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

struct RegistryPurgeOptions {
  std::string config_file;
  std::string older;
  std::string host;
};

/// The machines whose tasks only they forget.
void tell_of_others(Registry& registry, std::chrono::seconds keep, const std::string& host) {
  for (const auto& [other, tasks] : registry.old_tasks_by_host(keep)) {
    if (other == host) continue;
    std::cout << tasks << " tasks are of the machine " << other
              << ", which forgets them itself; if it and its ledgers are gone for good: --host "
              << other << '\n';
  }
}

int run_registry_purge(const RegistryPurgeOptions& options) {
  const Config config = load_configuration(options.config_file);
  if (!config.registry.is_there()) {
    throw Failure(kUsage, config.file.string() + " names no registry.file and no registry.url");
  }
  const std::unique_ptr<Registry> registry = open_registry(config, RegistryUse::broker);
  const bool is_other = !options.host.empty();
  if (options.host == registry->host()) {
    throw Failure(kUsage,
                  "--host names this very machine, whose ledgers are not gone for good; "
                  "leave it out");
  }
  RegistryPurge::Rules rules{config.registry.keep, options.host, config.ledger.folder, is_other};
  if (!options.older.empty()) rules.keep = duration_option("--older", options.older);
  RegistryPurge purge(*registry, rules);
  while (purge.step()) {
  }
  std::cout << purge.forgotten_tasks() << " tasks and " << purge.forgotten_others()
            << " other records forgotten\n";
  if (purge.kept_for_ledgers() > 0) {
    std::cout << purge.kept_for_ledgers()
              << " tasks stay for their ledgers, until mayfly audit purge removes those\n";
  }
  tell_of_others(*registry, rules.keep, is_other ? options.host : registry->host());
  return kOk;
}

void add_registry_purge(CLI::App& registry, int& status) {
  const auto options = std::make_shared<RegistryPurgeOptions>();
  CLI::App* command = registry.add_subcommand(
      "purge", "Forget tasks that ended long ago, and grants that are over");
  command->footer(
      "mayfly serve does the same by itself. A task stays while a key of it may be left on a\n"
      "device, and as long as its ledger is there and mayfly audit purge has not removed it; a\n"
      "spent grant stays until it could not be used again since that long.");
  add_config_option(*command, options->config_file);
  command
      ->add_option("--older", options->older,
                   "How long ago it must be over (default: registry.keep)")
      ->type_name("TIME");
  command
      ->add_option("--host", options->host,
                   "Forget the tasks of this machine, which is gone for good with its ledgers, "
                   "instead of one's own")
      ->type_name("HOST");
  command->callback([options, &status] { status = run_registry_purge(*options); });
}

}  // namespace

void add_registry(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("registry", "The record of tasks and grants, and what it may forget");
  command->require_subcommand(1);
  add_registry_purge(*command, status);
}

}  // namespace mayfly::tools
