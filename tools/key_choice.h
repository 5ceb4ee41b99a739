// Which key of a task a command is about.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/bytes.h"

namespace mayfly::tools {

/// Adds --task and --key to a subcommand that works with a key of a task.
void add_task_key_options(CLI::App& command, std::string& task, std::string& key);
/// Adds --key alone.
void add_key_option(CLI::App& command, std::string& key);

/// What tells a key of a task from the others.
struct KeyName {
  std::string label;
  Bytes id;
};

/// The place of the key that is meant among all of a task.
/// @param wanted  Its label, or its ID in hexadecimal; empty means the only one.
/// @param hint    What to do about keys of sessions, which are not among them; may be empty.
/// @throws Failure kNoInput when none is meant, or several are.
[[nodiscard]] std::size_t choose_key(const std::vector<KeyName>& keys, const std::string& wanted,
                                     const std::string& hint = {});

}  // namespace mayfly::tools
