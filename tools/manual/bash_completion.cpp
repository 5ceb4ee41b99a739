#include "base/joined.h"
#include "tools/manual/completion.h"

namespace mayfly::tools {
namespace {

// What it needs of bash-completion, it does without where that is not there.
constexpr const char* kBashHead =
    R"(# Completion of mayfly for bash, as `mayfly completion bash` writes it.
_mayfly() {
  local command='' kind='' choices='' commands='' options='' arguments='' i
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  # The shell makes three words of --option=VALUE.
  if [[ $current == = ]]; then
    current=''
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; ++i)); do
    if [[ ${COMP_WORDS[i]} == -- ]]; then
      if [[ $command == run ]]; then _mayfly_command $((i + 1)); fi
      return
    fi
    case "$command/${COMP_WORDS[i]}" in
)";

constexpr const char* kBashWords = R"(        command=${command:+$command }${COMP_WORDS[i]}
        ;;
    esac
  done
  case "$command $previous" in
)";

constexpr const char* kBashTail = R"(  esac
  if [[ -z $kind && $current != -* ]]; then
    if [[ -n $commands ]]; then
      kind=choice choices=$commands
    else
      kind=$arguments
    fi
  fi
  case ${kind:-option} in
    choice) mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current") ;;
    option) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current") ;;
    file | folder)
      compopt -o filenames 2> /dev/null || :
      if [[ $kind == file ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
      fi
      ;;
  esac
}

# A command with its own arguments, from the word of this number on.
_mayfly_command() {
  if declare -F _command_offset > /dev/null; then
    _command_offset "$1"
  elif (($1 == COMP_CWORD)); then
    mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
  else
    compopt -o filenames 2> /dev/null || :
    mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
  fi
}

complete -F _mayfly mayfly
)";

const char* kind_name(ValueKind kind) {
  switch (kind) {
    case ValueKind::file:
      return "file";
    case ValueKind::folder:
      return "folder";
    default:
      return "text";
  }
}

/// "grant issue": the words after mayfly's own name.
std::string path_of(const CommandDescription& command) {
  return joined({command.path.begin() + 1, command.path.end()}, " ");
}

/// The patterns by which the words of a line are known as subcommands.
void add_paths(const CommandDescription& command, std::vector<std::string>& patterns) {
  for (const CommandDescription& below : command.commands) {
    patterns.push_back("'" + path_of(command) + "/" + below.path.back() + "'");
    add_paths(below, patterns);
  }
}

/// What sets `name` to what is offered for a value.
std::string offered_for(const std::string& name, const OptionDescription& option) {
  if (option.choices.empty()) return name + "=" + kind_name(option.kind);
  return name + "=choice choices='" + joined(option.choices, " ") + "'";
}

/// What each option of a command takes.
void add_values(const CommandDescription& command, std::string& script) {
  for (const OptionDescription& option : command.options) {
    if (option.value.empty()) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : option.names) {
      patterns.push_back("'" + path_of(command) + " " + name + "'");
    }
    script += "    " + joined(patterns, " | ") + ") " + offered_for("kind", option) + " ;;\n";
  }
  for (const CommandDescription& below : command.commands) add_values(below, script);
}

/// What each command takes.
void add_commands(const CommandDescription& command, std::string& script) {
  std::vector<std::string> commands;
  std::vector<std::string> options;
  for (const CommandDescription& below : command.commands) commands.push_back(below.path.back());
  for (const OptionDescription& option : command.options) {
    options.insert(options.end(), option.names.begin(), option.names.end());
  }
  script += "    '" + path_of(command) + "')\n";
  if (!commands.empty()) script += "      commands='" + joined(commands, " ") + "'\n";
  script += "      options='" + joined(options, " ") + "'\n";
  if (!command.arguments.empty() && !command.runs_command) {
    script += "      " + offered_for("arguments", command.arguments.front()) + "\n";
  }
  script += "      ;;\n";
  for (const CommandDescription& below : command.commands) add_commands(below, script);
}

}  // namespace

std::string bash_completion(const CommandDescription& mayfly) {
  std::vector<std::string> patterns;
  add_paths(mayfly, patterns);
  std::string script = kBashHead;
  script += "      " + joined(patterns, " | \\\n        ") + ")\n" + kBashWords;
  add_values(mayfly, script);
  script += "  esac\n  case $command in\n";
  add_commands(mayfly, script);
  return script + kBashTail;
}

}  // namespace mayfly::tools
