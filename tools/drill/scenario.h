// An attack that mayfly must withstand, and what came of it.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "base/safeguard.h"

namespace mayfly::drill {

class Ground;

/// What became of an attack.
enum class Result {
  held,       ///< it failed, as it must
  broken,     ///< it succeeded
  not_tried,  ///< it can't be tried here
  unclear,    ///< it broke off: whether it would succeed is not known
};

/// "held", "broken", "not tried", "unclear".
[[nodiscard]] const char* to_string(Result result) noexcept;

struct Outcome {
  Result result = Result::unclear;
  std::string detail;  ///< what happened, or why it was not tried
};

/// Thrown by an attack that can't be tried here, with the reason.
class NotTried : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One attack. It runs in a process of its own, which is thrown away after it.
struct Scenario {
  std::string name;      ///< "sign-after-close"
  std::string attacker;  ///< what he has
  std::string attack;    ///< what he tries
  std::string must;      ///< what must happen
  /// What keeps him out. With all of them switched off, which only a test can do, he gets through.
  std::vector<Safeguard> safeguards;
  /// Tries it. It first does what is allowed, so that a refusal says something.
  /// @throws NotTried; anything else leaves it unclear.
  Outcome (*run)(const Ground& ground);
};

/// All attacks, grouped by what the attacker has.
[[nodiscard]] const std::vector<Scenario>& scenarios();

// The groups.
[[nodiscard]] std::vector<Scenario> agent_scenarios();       // code in a task's own process
[[nodiscard]] std::vector<Scenario> policy_scenarios();      // the same, against the limits
[[nodiscard]] std::vector<Scenario> leftover_scenarios();    // handles of what has ended
[[nodiscard]] std::vector<Scenario> neighbour_scenarios();   // another process of the machine
[[nodiscard]] std::vector<Scenario> killer_scenarios();      // the power to kill or stop
[[nodiscard]] std::vector<Scenario> grant_scenarios();       // grants, good and bad
[[nodiscard]] std::vector<Scenario> credential_scenarios();  // all that a task emitted
[[nodiscard]] std::vector<Scenario> ledger_scenarios();      // the ledger's files
[[nodiscard]] std::vector<Scenario> device_scenarios();      // the device itself
[[nodiscard]] std::vector<Scenario> chip_scenarios();        // a TPM itself

}  // namespace mayfly::drill
