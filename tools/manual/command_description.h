// What the command line is, taken from CLI11: the one source of manual pages and completions.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace mayfly::tools {

/// What a shell offers for a value.
enum class ValueKind { none, text, file, folder };

/// An option, or a positional argument.
struct OptionDescription {
  std::vector<std::string> names;  ///< "-h", "--help"; empty for a positional argument
  std::string value;  ///< what its value is called: "FILE"; empty for an option without one
  std::vector<std::string> choices;  ///< all values that there are; empty if it takes others
  ValueKind kind = ValueKind::none;
  bool required = false;
  bool repeated = false;  ///< may be there more than once
  std::string text;
};

/// A command with all that is below it.
struct CommandDescription {
  std::vector<std::string> path;  ///< {"mayfly", "grant", "issue"}
  std::string summary;            ///< one line without a full stop
  std::string text;    ///< lines; one that is indented stands as it is, an empty one parts
  std::string footer;  ///< as text
  std::vector<OptionDescription> options;
  std::vector<OptionDescription> arguments;
  bool runs_command = false;  ///< what follows -- is a command with its arguments
  std::vector<CommandDescription> commands;
};

/// All that a person may use of a command: what CLI11's help shows.
[[nodiscard]] CommandDescription describe(const CLI::App& app);

}  // namespace mayfly::tools
