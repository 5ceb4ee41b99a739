// `mayfly status`: which tasks go on, in a file that any web server can carry.
#include <iostream>
#include <memory>
#include <sstream>

#include "base/clock.h"
#include "base/replace_file.h"
#include "credential/spiffe_id.h"
#include "credential/status/status_token.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/duration_option.h"
#include "tools/failure.h"
#include "tools/issuer_key.h"
#include "tools/sign_lists.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

using credential::Status;
using credential::StatusEntry;

constexpr std::size_t kMaxEntriesFile = 64 * 1024 * 1024;

struct StatusOptions {
  std::string entries;
  std::string uri;
  std::string output;
  std::string ttl = "30s";
  std::string valid_for = "5m";
  std::string config;
};

/// Lines of a number and a word: "7 valid", "8 invalid".
std::vector<StatusEntry> read_entries(const std::string& path) {
  std::istringstream lines(read_whole_file(path, kMaxEntriesFile));
  std::vector<StatusEntry> entries;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    StatusEntry entry;
    std::string state;
    std::string more;
    const bool digits = line.front() >= '0' && line.front() <= '9';
    if (!digits || !(words >> entry.index >> state) || words >> more ||
        (state != "valid" && state != "invalid")) {
      throw Failure(kUsage, path + ", line " + std::to_string(number) +
                                ": wants a task's number and valid or invalid, such as: 7 valid");
    }
    entry.status = state == "valid" ? Status::valid : Status::invalid;
    entries.push_back(entry);
  }
  return entries;
}

int run_status_list(const StatusOptions& options) {
  const Config config = load_configuration(options.config);
  credential::StatusToken token;
  token.uri = options.uri;
  token.issued_at = unix_now_s();
  token.ttl = duration_option("--ttl", options.ttl);
  token.expires = token.issued_at + static_cast<std::uint64_t>(
                                        duration_option("--valid-for", options.valid_for).count());
  std::string text;
  try {
    token.list = credential::make_status_list(read_entries(options.entries));
    const Issuer issuer = open_issuer(config);
    token.issuer = credential::spiffe_id(config.issuer.trust_domain);
    text = credential::issue_status_token(token, "", *issuer.key);
  } catch (const Error& error) {
    if (error.rv() != CKR_ARGUMENTS_BAD) throw;
    throw Failure(kUsage, error.what());
  }
  if (options.output.empty()) {
    std::cout << text << '\n';
    return kOk;
  }
  try {
    replace_file(options.output, as_bytes(text));
  } catch (const Error& error) {
    throw Failure(kCannotWrite, error.what());
  }
  return kOk;
}

}  // namespace

void add_status(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("status", "Status lists, by which others know which tasks go on");
  command->require_subcommand(1);
  add_sign_lists(*command, status);
  const auto options = std::make_shared<StatusOptions>();
  CLI::App* list = command->add_subcommand("list", "Sign a Token Status List");
  list->footer(
      "Each line of FILE is the number of a task and its state, such as \"7 valid\" or\n"
      "\"8 invalid\"; # begins a comment. Whatever is not named does not hold.");
  list->add_option("file", options->entries, "The states; - reads standard input")
      ->required()
      ->type_name("FILE");
  list->add_option("--uri", options->uri, "The list's own name, by which credentials name it")
      ->required()
      ->type_name("URI");
  list->add_option("--output", options->output,
                   "The file that is replaced, in one step (default: standard output)")
      ->type_name("FILE");
  list->add_option("--ttl", options->ttl, "How long others may keep it (default: 30s)")
      ->type_name("TIME");
  list->add_option("--valid-for", options->valid_for, "When it ends (default: 5m)")
      ->type_name("TIME");
  add_config_option(*list, options->config);
  list->callback([options, &status] { status = run_status_list(*options); });
}

}  // namespace mayfly::tools
