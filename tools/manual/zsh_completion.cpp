#include "base/joined.h"
#include "tools/manual/completion.h"

namespace mayfly::tools {
namespace {

/// Text in single quotes, in which nothing ends what it stands in: colons and brackets are
/// _arguments' own.
std::string zsh_text(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else if (c == ':' || c == '[' || c == ']' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += ' ';
    } else {
      result += c;
    }
  }
  return result;
}

std::string action_of(const OptionDescription& option) {
  if (!option.choices.empty()) return "(" + joined(option.choices, " ") + ")";
  switch (option.kind) {
    case ValueKind::file:
      return "_files";
    case ValueKind::folder:
      return "_files -/";
    default:
      return " ";
  }
}

/// As _arguments takes an option: one specification for each of its names.
void add_option(const OptionDescription& option, std::vector<std::string>& arguments) {
  const std::string others = option.repeated ? "*" : "(" + joined(option.names, " ") + ")";
  for (const std::string& name : option.names) {
    std::string text = "'" + others + name;
    if (!option.value.empty() && name.starts_with("--")) text += "=";
    text += "[" + zsh_text(option.text) + "]";
    if (!option.value.empty()) text += ":" + zsh_text(option.value) + ":" + action_of(option);
    arguments.push_back(text + "'");
  }
}

/// The function of a command, after those of the commands below it.
void add_function(const CommandDescription& command, std::string& script) {
  for (const CommandDescription& below : command.commands) add_function(below, script);
  const std::string name = "_" + joined(command.path, "_");
  // After -- the words are another command's.
  std::vector<std::string> arguments = {command.runs_command ? "_arguments -S" : "_arguments -C"};
  for (const OptionDescription& option : command.options) add_option(option, arguments);
  script += name + "() {\n";
  if (!command.commands.empty()) {
    script += "  local curcontext=$curcontext state line\n  local -a commands=(\n";
    for (const CommandDescription& below : command.commands) {
      script += "    '" + below.path.back() + ":" + zsh_text(below.summary) + "'\n";
    }
    script += "  )\n";
    arguments.insert(arguments.end(), {"':command:->command'", "'*::argument:->argument'"});
  } else if (command.runs_command) {
    arguments.insert(arguments.end(),
                     {"'(-)1:command: _command_names -e'", "'*::argument:_normal'"});
  } else {
    for (const OptionDescription& argument : command.arguments) {
      arguments.push_back(std::string("'") + (argument.repeated ? "*" : "") + ":" +
                          zsh_text(argument.value) + ":" + action_of(argument) + "'");
    }
  }
  script += "  " + joined(arguments, " \\\n    ") + "\n";
  if (!command.commands.empty()) {
    script +=
        "  case $state in\n"
        "    (command) _describe -t commands command commands ;;\n"
        "    (argument) if (($+functions[" +
        name + "_$words[1]])); then " + name +
        "_$words[1]; fi ;;\n"
        "  esac\n";
  }
  script += "}\n\n";
}

}  // namespace

std::string zsh_completion(const CommandDescription& mayfly) {
  std::string script =
      "#compdef mayfly\n# Completion of mayfly for zsh, as `mayfly completion zsh` writes "
      "it.\n\n";
  add_function(mayfly, script);
  return script +
         "# As a file in $fpath it is the function itself; sourced, it says what it completes.\n"
         "if [[ $funcstack[1] == _mayfly ]]; then _mayfly \"$@\"; else compdef _mayfly mayfly; "
         "fi\n";
}

}  // namespace mayfly::tools
