// mayfly close: ends a task of a broker that serves many.
#include <memory>
#include <string>

#include "tools/broker_commands.h"
#include "tools/commands.h"

namespace mayfly::tools {
namespace {

struct CloseOptions {
  BrokerOptions broker;
  std::string task;
  std::string serial;
  bool json = false;
};

}  // namespace

void add_close(CLI::App& app, int& status) {
  CLI::App* close = app.add_subcommand("close", "End a task that was opened by mayfly open");
  const auto options = std::make_shared<CloseOptions>();
  CLI::Option_group* which = close->add_option_group("task");
  which->add_option("--task", options->task, "Its ID")->type_name("ID");
  which->add_option("--serial", options->serial, "Its token's serial number")->type_name("SERIAL");
  which->require_option(1);
  close->add_flag("--json", options->json, "Print what became of its keys as JSON");
  add_broker_options(*close, options->broker);
  close->footer(
      "The task's keys are destroyed when it returns. The exit status is 75 if the device has not\n"
      "confirmed that yet: the keys can't be used any more, and it is tried again.");
  close->callback([options, &status] {
    serve::ControlRequest request;
    request.verb = serve::Verb::close;
    request.task = options->task;
    request.serial = options->serial;
    const nlohmann::json answer = require_broker(options->broker).ask(request);
    print_ended(answer, options->json);
    status = status_in(answer);
  });
}

}  // namespace mayfly::tools
