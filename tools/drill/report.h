// What a drill found, for people and for machines.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "tools/drill/attempt.h"

namespace mayfly::drill {

/// What was drilled.
struct Subject {
  std::string configuration;  ///< the file
  std::string device;         ///< "pkcs11:token=agents", "TPM at device:/dev/tpmrm0"
};

[[nodiscard]] std::size_t count(const std::vector<Attempt>& attempts, Result result);

/// A line for each attack, and for one that succeeded what it was; at the end the numbers.
void print_line(std::ostream& out, const Attempt& attempt);
void print_sum(std::ostream& out, const std::vector<Attempt>& attempts);

/// {"ok", "mayfly", "configuration", "device", "held", "broken", "not_tried", "unclear",
///  "attacks": [{"name", "attacker", "attack", "must", "result", "detail", "milliseconds"}, …]}
void print_json(std::ostream& out, const Subject& subject, const std::vector<Attempt>& attempts);

/// The format of JUnit's reports, which test servers read: an attack that succeeded is a failure,
/// one that was not tried is skipped, one that broke off is an error.
[[nodiscard]] std::string junit(const Subject& subject, const std::vector<Attempt>& attempts);

/// The table of scenarios.
void print_list(std::ostream& out);
void print_list_json(std::ostream& out);

}  // namespace mayfly::drill
