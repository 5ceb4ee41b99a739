// What a run has to say to its user.
#pragma once

#include <string>

namespace mayfly::broker {

/// Says a sentence on standard error, which is the command's as well: if it can't be written at
/// once, it is lost.
void announce(const std::string& sentence) noexcept;

}  // namespace mayfly::broker
