// mayfly open: a task in a broker that serves many.
#include <iostream>
#include <memory>
#include <pwd.h>
#include <string>

#include "base/guarded_file.h"
#include "compose/grant_file.h"
#include "tools/broker/command_environment.h"
#include "tools/broker_commands.h"
#include "tools/commands.h"
#include "tools/duration_option.h"
#include "tools/failure.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

using nlohmann::json;

// Of a grant: 8 KiB, and some blanks around it.
constexpr std::size_t kMostGrantFile = std::size_t{9} * 1024;

struct OpenOptions {
  BrokerOptions broker;
  std::string task;
  std::string ttl;
  std::string policy;
  std::string grant;
  std::string user;
  bool json = false;
};

std::string trimmed(const std::string& text) {
  static constexpr const char* kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  return first == std::string::npos
             ? std::string()
             : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

uid_t find_user(const std::string& name) {
  if (const passwd* const entry = getpwnam(name.c_str())) return entry->pw_uid;
  try {
    std::size_t end = 0;
    const unsigned long number = std::stoul(name, &end);
    if (end == name.size() && number < static_cast<uid_t>(-1)) return static_cast<uid_t>(number);
  } catch (const std::exception&) {  // no number either
  }
  throw Failure(kUsage, "--user: there is no such user");
}

std::shared_ptr<const SecretBuffer> grant_of_input() {
  std::string text = trimmed(read_whole_file("-", kMostGrantFile));
  if (text.empty()) throw Failure(kNoInput, "--grant: nothing came on standard input");
  auto grant = std::make_shared<const SecretBuffer>(as_bytes(text));
  zeroise({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return grant;
}

std::shared_ptr<const SecretBuffer> grant_of_file(const std::string& path) {
  try {
    return read_grant(open_grant_file(path), path);
  } catch (const Error& error) {
    throw Failure(error.rv() == CKR_PIN_INCORRECT ? kGrantRefused : kNoInput, error.what());
  }
}

serve::ControlRequest make_request(const OpenOptions& options) {
  serve::ControlRequest request;
  request.verb = serve::Verb::open;
  request.task = options.task;
  request.policy = options.policy;
  if (!options.ttl.empty()) request.ttl = duration_option("--ttl", options.ttl);
  if (!options.user.empty()) request.user = find_user(options.user);
  if (!options.grant.empty()) {
    request.grant = options.grant == "-" ? grant_of_input() : grant_of_file(options.grant);
  }
  return request;
}

void print_variable(const char* name, const std::string& value) {
  if (!value.empty()) std::cout << "export " << name << '=' << shell_word(value) << '\n';
}

void print_for_shell(const json& answer) {
  print_variable("MAYFLY_SOCKET", answer.at("door").get<std::string>());
  print_variable("P11_KIT_SERVER_ADDRESS", answer.at("p11_kit_address").get<std::string>());
  print_variable("MAYFLY_PKCS11_MODULE", broker::p11kit_client_module());
  print_variable("MAYFLY_TASK_ID", answer.at("task").get<std::string>());
  print_variable("MAYFLY_TASK_SERIAL", answer.at("serial").get<std::string>());
}

}  // namespace

void add_open(CLI::App& app, int& status) {
  CLI::App* open = app.add_subcommand("open", "Open a task in a broker that serves many");
  const auto options = std::make_shared<OpenOptions>();
  open->add_option("--task", options->task, "The task's ID, which is the token's label")
      ->required()
      ->type_name("ID");
  open->add_option("--ttl", options->ttl, "How long it lives at most, such as 90s or 15m")
      ->type_name("TIME");
  open->add_option("--policy", options->policy, "The [policy.NAME] that confines it further")
      ->type_name("NAME");
  open->add_option("--grant", options->grant,
                   "The grant that allows it, or a ticket for it; - for standard input")
      ->type_name("FILE");
  open->add_option("--user", options->user,
                   "For whom, by name or number: whose processes may use it. For operators")
      ->type_name("USER");
  open->add_flag("--json", options->json, "Print the answer as JSON");
  add_broker_options(*open, options->broker);
  open->footer(
      "Prints variables for a shell, by which clients find the task's token:\n\n"
      "  eval \"$(mayfly open --task ID)\"\n\n"
      "The task lives until its deadline, `mayfly close` or `mayfly revoke`.");
  open->callback([options, &status] {
    const serve::ControlRequest request = make_request(*options);
    const json answer = require_broker(options->broker).ask(request);
    if (options->json) {
      print_json(answer);
    } else {
      print_for_shell(answer);
    }
    status = status_in(answer);
  });
}

}  // namespace mayfly::tools
