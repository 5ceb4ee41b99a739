// Everything at once, for a time: several tasks, many threads, every way in which a key ends.
#pragma once

#include <chrono>
#include <cstdint>

#include "races/race_report.h"

namespace mayfly::test {

struct RaceOptions {
  std::chrono::milliseconds time{3000};
  std::uint32_t seed = 1;
  int tasks = 3;             ///< at the same time
  int threads_per_task = 3;  ///< that use it, beside the one that ends it
};

/// Runs lives of the library, one after the other, until the time is over. What broke is in the
/// report. Throws std::runtime_error if the library can't even be started.
void run_race(const RaceOptions& options, RaceReport& report);

}  // namespace mayfly::test
