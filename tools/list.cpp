// mayfly list: the tasks of a broker, or of all brokers that share a registry.
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>

#include "tools/broker_commands.h"
#include "tools/commands.h"
#include "tools/serve/answers.h"
#include "tools/utc_text.h"

namespace mayfly::tools {
namespace {

using nlohmann::json;

struct ListOptions {
  BrokerOptions broker;
  bool all = false;
  bool json = false;
};

/// All pages of the broker's list.
json ask_for_list(serve::ControlClient& broker, bool ended_too) {
  json tasks = json::array();
  serve::ControlRequest request;
  request.verb = serve::Verb::list;
  request.ended_too = ended_too;
  while (true) {
    const json answer = broker.ask(request);
    for (const json& task : answer.at("tasks")) tasks.push_back(task);
    if (!answer.at("more").get<bool>()) return tasks;
    request.after = answer.at("last").get<std::uint64_t>();
  }
}

json read_list(Registry& registry, bool ended_too) {
  json tasks = json::array();
  TaskFilter filter;
  filter.ended_too = ended_too;
  while (true) {
    const std::vector<TaskRecord> page = registry.tasks(filter);
    for (const TaskRecord& task : page) tasks.push_back(serve::describe(task));
    if (page.size() < filter.most) return tasks;
    filter.after = page.back().number;
  }
}

void print_list(const json& tasks) {
  for (const json& task : tasks) {
    std::cout << task.at("serial").get<std::string>() << "  " << std::left << std::setw(9)
              << task.at("state").get<std::string>() << "  "
              << utc_text(task.at("deadline").get<std::uint64_t>()) << "  "
              << task.at("agent").get<std::string>() << "  " << task.at("task").get<std::string>()
              << '\n';
  }
}

}  // namespace

void add_list(CLI::App& app, int& status) {
  CLI::App* list = app.add_subcommand("list", "List the tasks that are open");
  const auto options = std::make_shared<ListOptions>();
  list->add_flag("--all", options->all, "Also those that have ended, where there is a registry");
  list->add_flag("--json", options->json, "Print them as JSON");
  add_broker_options(*list, options->broker);
  list->footer(
      "Where there is a registry, operators see the tasks of all brokers that share it. Others "
      "see\n"
      "their own, of the broker here. Without a broker here, the registry itself is read.\n"
      "Each line has the serial number of the task's token, its state, its deadline, for whom it\n"
      "was opened, and its ID.");
  list->callback([options, &status] {
    auto broker = find_broker(options->broker);
    const json tasks = broker ? ask_for_list(*broker, options->all)
                              : read_list(*open_registry_instead(options->broker), options->all);
    if (options->json) {
      print_json(tasks);
    } else {
      print_list(tasks);
    }
    status = 0;
  });
}

}  // namespace mayfly::tools
