// The race for as long as one likes: race_soak SECONDS [SEED]. Exits with 1 if a promise broke.
#include <iostream>
#include <stdexcept>
#include <string>

#include "races/race.h"

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw std::runtime_error("usage: race_soak SECONDS [SEED]");
    mayfly::test::RaceOptions options;
    options.time = std::chrono::seconds(std::stoul(argv[1]));
    if (argc > 2) options.seed = static_cast<std::uint32_t>(std::stoul(argv[2]));
    mayfly::test::RaceReport report;
    mayfly::test::run_race(options, report);
    std::cout << "race, seed " << options.seed << ", " << options.time.count() / 1000 << " s:\n"
              << report.summary();
    return report.violations().empty() ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "race_soak: " << error.what() << '\n';
    return 2;
  }
}
