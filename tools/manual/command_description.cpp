#include "tools/manual/command_description.h"

#include <functional>
#include <sstream>

#include "base/joined.h"

namespace mayfly::tools {
namespace {

/// The first line, without what ends a sentence or leads to an example.
std::string first_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  while (!line.empty() && (line.back() == '.' || line.back() == ':')) line.pop_back();
  return line;
}

/// "TEXT:{a,b}" is a choice, as CLI11 writes it.
std::vector<std::string> choices_in(std::string& value) {
  std::vector<std::string> choices;
  const std::size_t begin = value.find('{');
  if (begin == std::string::npos || value.back() != '}') return choices;
  std::istringstream list(value.substr(begin + 1, value.size() - begin - 2));
  for (std::string choice; std::getline(list, choice, ',');) choices.push_back(choice);
  value = joined(choices, "|");
  return choices;
}

ValueKind kind_of(const std::string& value) {
  if (value.empty()) return ValueKind::none;
  if (value == "FOLDER" || value == "DIR") return ValueKind::folder;
  for (const char* file : {"FILE", "PATH", "KEY"}) {
    if (value.starts_with(file)) return ValueKind::file;
  }
  return ValueKind::text;
}

OptionDescription describe(const CLI::Option& option) {
  OptionDescription described;
  described.text = option.get_description();
  described.required = option.get_required();
  described.repeated = option.get_items_expected_max() > 1;
  if (option.get_positional()) {
    std::string type = option.get_type_name();
    described.choices = choices_in(type);
    described.value = option.get_name(true);
    described.kind = described.choices.empty() ? ValueKind::file : ValueKind::text;
    return described;
  }
  for (const std::string& name : option.get_snames()) described.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) described.names.push_back("--" + name);
  if (option.get_items_expected_max() > 0) {
    described.value = option.get_type_name();
    described.choices = choices_in(described.value);
    // Validators add to the name what they look for: "NUMBER:POSITIVE", "DEPTH:UINT in [1 - 16]".
    for (const char* added : {":POSITIVE", ":UINT in", ":INT in"}) {
      described.value = described.value.substr(0, described.value.find(added));
    }
    described.kind = described.choices.empty() ? kind_of(described.value) : ValueKind::text;
  }
  return described;
}

/// The options of a command and of the groups in it.
void add_options(const CLI::App& app, CommandDescription& command) {
  const std::function<bool(const CLI::Option*)> shown = [](const CLI::Option* option) {
    return !option->get_group().empty();
  };
  for (const CLI::Option* option : app.get_options(shown)) {
    auto& list = option->get_positional() ? command.arguments : command.options;
    list.push_back(describe(*option));
  }
}

CommandDescription describe_below(const CLI::App& app, std::vector<std::string> path) {
  CommandDescription command;
  path.push_back(app.get_name());
  command.path = path;
  command.summary = first_line(app.get_description());
  command.text = app.get_description();
  command.footer = app.get_footer();
  command.runs_command = app.get_allow_extras();
  add_options(app, command);
  const std::function<bool(const CLI::App*)> all = [](const CLI::App*) { return true; };
  for (const CLI::App* below : app.get_subcommands(all)) {
    if (below->get_name().empty()) {
      add_options(*below, command);
    } else if (!below->get_group().empty()) {
      command.commands.push_back(describe_below(*below, path));
    }
  }
  return command;
}

}  // namespace

CommandDescription describe(const CLI::App& app) { return describe_below(app, {}); }

}  // namespace mayfly::tools
