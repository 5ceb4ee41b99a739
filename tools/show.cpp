// mayfly show: all that is known of a task.
#include <iostream>
#include <memory>
#include <string>

#include "tools/broker_commands.h"
#include "tools/commands.h"
#include "tools/failure.h"
#include "tools/serve/answers.h"
#include "tools/utc_text.h"

namespace mayfly::tools {
namespace {

using nlohmann::json;

struct ShowOptions {
  BrokerOptions broker;
  std::string task;
  std::string serial;
  bool json = false;
};

json read_tasks(Registry& registry, const ShowOptions& options) {
  json tasks = json::array();
  for (const TaskRecord& record :
       registry.tasks({.serial = options.serial, .id = options.task, .ended_too = true})) {
    json task = serve::describe(record);
    task["transitions"] = json::array();
    for (const TaskTransition& transition : registry.transitions(record.serial)) {
      task["transitions"].push_back(serve::describe(transition));
    }
    tasks.push_back(std::move(task));
  }
  if (tasks.empty()) throw Failure(kNoInput, "no such task is known");
  return tasks;
}

void print_line(const char* name, const json& task, const char* member) {
  if (!task.contains(member)) return;
  const json& value = task.at(member);
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (!text.empty()) std::cout << "  " << name << text << '\n';
}

std::string moment(std::uint64_t unix_ms) { return utc_text(unix_ms / 1'000); }

void print_task(const json& task) {
  std::cout << "task " << task.at("task").get<std::string>() << '\n';
  print_line("serial    ", task, "serial");
  print_line("state     ", task, "state");
  print_line("agent     ", task, "agent");
  print_line("user      ", task, "user");
  print_line("parent    ", task, "parent");
  print_line("broker    ", task, "broker");
  if (task.contains("grant")) print_line("grant     ", task.at("grant"), "id");
  std::cout << "  deadline  " << utc_text(task.at("deadline").get<std::uint64_t>()) << '\n';
  print_line("door      ", task, "door");
  if (!task.contains("transitions")) return;
  for (const json& change : task.at("transitions")) {
    std::cout << "  " << moment(change.at("at_ms").get<std::uint64_t>()) << "  "
              << change.at("to").get<std::string>() << ", by "
              << change.at("actor").get<std::string>();
    const std::string cause = change.at("cause").get<std::string>();
    std::cout << (cause.empty() ? "" : ": " + cause) << '\n';
  }
}

}  // namespace

void add_show(CLI::App& app, int& status) {
  CLI::App* show = app.add_subcommand("show", "Show all that is known of a task");
  const auto options = std::make_shared<ShowOptions>();
  CLI::Option_group* which = show->add_option_group("task");
  which->add_option("--task", options->task, "Its ID")->type_name("ID");
  which->add_option("--serial", options->serial, "Its token's serial number")->type_name("SERIAL");
  which->require_option(1);
  show->add_flag("--json", options->json, "Print it as JSON");
  add_broker_options(*show, options->broker);
  show->callback([options, &status] {
    json tasks;
    if (auto broker = find_broker(options->broker)) {
      serve::ControlRequest request;
      request.verb = serve::Verb::show;
      request.task = options->task;
      request.serial = options->serial;
      tasks = broker->ask(request).at("tasks");
    } else {
      tasks = read_tasks(*open_registry_instead(options->broker), *options);
    }
    if (options->json) return print_json(tasks);
    for (const json& task : tasks) print_task(task);
    status = 0;
  });
}

}  // namespace mayfly::tools
