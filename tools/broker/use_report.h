// What a worker tells its broker of how much its task is used.
#pragma once

#include <string>

#include "core/use_meter.h"

namespace mayfly::broker {

/// One line of JSON, far shorter than ControlChannel::kMaxText.
[[nodiscard]] std::string to_json(const Use& use);

/// @throws JsonError for what to_json() does not write.
[[nodiscard]] Use parse_use(std::string_view text);

}  // namespace mayfly::broker
