#include "bench/ratios.h"

#include <algorithm>
#include <iostream>

namespace mayfly::bench {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

void RatioReporter::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
    times_[run.run_name.function_name + "/" + run.run_name.threads].push_back(
        run.GetAdjustedRealTime());
  }
  ConsoleReporter::ReportRuns(runs);
}

void RatioReporter::Finalize() {
  auto& out = GetOutputStream();
  out << "\nratios of medians (time; below 1 is faster than the base)\n";
  for (const Pair& pair : pairs_) {
    for (const auto& [name, values] : times_) {
      if (name.rfind(pair.name + "/", 0) != 0) continue;
      const std::string variant = name.substr(pair.name.size());
      const auto base = times_.find(pair.base + variant);
      if (base == times_.end()) continue;
      out << "  " << pair.name << variant << " : " << pair.base << variant << " = "
          << median(values) / median(base->second) << "  (aim: at most " << pair.aim << ")\n";
    }
  }
}

}  // namespace mayfly::bench
