// One attack, made in a process of its own.
#pragma once

#include <chrono>
#include <span>
#include <string>

#include "tools/drill/ground.h"

namespace mayfly::drill {

/// The name of the subcommand that makes one attack. It is no part of the interface.
inline constexpr char kAttackCommand[] = "drill-attack";

struct Attempt {
  const Scenario* scenario = nullptr;
  Outcome outcome;
  std::chrono::milliseconds took{0};
};

/// Makes an attack, and ends it if it takes longer than a minute.
[[nodiscard]] Attempt attempt(const Ground& ground, const Scenario& scenario);

/// What that process does: the attack that is named, and its outcome on standard output.
/// @param strings  The scenario's name and the ground's folder.
/// @return the exit status.
int run_attack(std::span<const std::string> strings);

}  // namespace mayfly::drill
