// mayfly revoke: the kill switch.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>

#include "tools/broker_commands.h"
#include "tools/commands.h"
#include "tools/serve/answers.h"
#include "tools/serve/control_request.h"
#include "tools/serve/ordered_tasks.h"

namespace mayfly::tools {
namespace {

using Kind = RevocationTarget::Kind;

// For brokers elsewhere to obey.
constexpr std::chrono::seconds kPatience{10};

struct RevokeOptions {
  BrokerOptions broker;
  std::string task;
  std::string serial;
  std::string agent;
  std::string grant;
  std::string issuer;
  bool all = false;
  std::string reason;
  bool json = false;
};

RevocationTarget target_of(const RevokeOptions& options) {
  if (options.all) return {Kind::all, "", ""};
  if (!options.task.empty()) return {Kind::task_id, options.task, ""};
  if (!options.serial.empty()) return {Kind::serial, options.serial, ""};
  if (!options.agent.empty()) return {Kind::agent, options.agent, ""};
  return {Kind::grant, options.grant, options.issuer};
}

nlohmann::json ask_to_revoke(serve::ControlClient& broker, const RevokeOptions& options) {
  serve::ControlRequest request;
  request.verb = serve::Verb::revoke;
  request.target = target_of(options);
  request.reason = options.reason;
  return broker.ask(request);
}

/// Without a broker here: those elsewhere hear of it from the registry.
nlohmann::json revoke_in(Registry& registry, const RevokeOptions& options) {
  serve::EndedTasks ended;
  for (const TaskRecord& task :
       serve::wait_for_ordered(registry,
                               registry.request_revocation(target_of(options), options.reason,
                                                           "user " + std::to_string(getuid())),
                               kPatience)) {
    ended.add(task);
  }
  return ended.to_json();
}

/// Whether a broker here is asked or, without one, the registry.
std::string check_reason(const std::string& reason) {
  if (!reason.empty() && reason.size() <= serve::kMostReason) return "";
  return "the reason must have 1 to " + std::to_string(serve::kMostReason) + " bytes";
}

void add_targets(CLI::App& revoke, RevokeOptions& options) {
  CLI::Option_group* which = revoke.add_option_group("tasks");
  which->add_option("--task", options.task, "Those of an ID")->type_name("ID");
  which->add_option("--serial", options.serial, "The one of a serial number")->type_name("SERIAL");
  which->add_option("--agent", options.agent, "Those of an agent, a grant's sub")->type_name("SUB");
  which->add_option("--grant", options.grant, "Those of a grant, which can open none from then on")
      ->type_name("JTI");
  which->add_flag("--all", options.all, "All");
  which->require_option(1);
}

}  // namespace

void add_revoke(CLI::App& app, int& status) {
  CLI::App* revoke = app.add_subcommand("revoke", "End tasks of whomever, at once");
  const auto options = std::make_shared<RevokeOptions>();
  add_targets(*revoke, *options);
  revoke->add_option("--issuer", options->issuer, "With --grant: whose grant; else anybody's")
      ->type_name("ISS");
  revoke->add_option("--reason", options->reason, "Why, for the record")
      ->required()
      ->check(check_reason, "")
      ->type_name("TEXT");
  revoke->add_flag("--json", options->json, "Print what became of them as JSON");
  add_broker_options(*revoke, options->broker);
  revoke->footer(
      "The tasks have ended when it returns, with all below them, and their keys are destroyed.\n"
      "Where there is a registry, this reaches all brokers that share it. The exit status is 75 "
      "if\n"
      "not all is done: what is left is listed first.");
  revoke->callback([options, &status] {
    auto broker = find_broker(options->broker);
    const nlohmann::json answer =
        broker ? ask_to_revoke(*broker, *options)
               : revoke_in(*open_registry_instead(options->broker), *options);
    print_ended(answer, options->json);
    status = status_in(answer);
  });
}

}  // namespace mayfly::tools
