#include "bench/ratios.h"

#include <ostream>

namespace mayfly::bench {
void RatioReporter::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    // With repetitions, the library gives their median; it may be all that it gives.
    const bool is_median = run.run_type == Run::RT_Aggregate && run.aggregate_name == "median";
    const bool is_single = run.run_type == Run::RT_Iteration && run.repetitions <= 1;
    if (run.error_occurred || (!is_median && !is_single)) continue;
    times_[run.run_name.function_name + "/" + run.run_name.threads] = run.GetAdjustedRealTime();
  }
  ConsoleReporter::ReportRuns(runs);
}

void RatioReporter::Finalize() {
  auto& out = GetOutputStream();
  out << "\nratios of medians (time; below 1 is faster than the base)\n";
  for (const Pair& pair : pairs_) {
    for (const auto& [name, time] : times_) {
      if (name.rfind(pair.name + "/", 0) != 0) continue;
      const std::string variant = name.substr(pair.name.size());
      const auto base = times_.find(pair.base + variant);
      if (base == times_.end()) continue;
      out << "  " << pair.name << variant << " : " << pair.base << variant << " = "
          << time / base->second;
      if (pair.aim) out << "  (aim: at most " << *pair.aim << ")";
      out << '\n';
    }
  }
}

}  // namespace mayfly::bench
