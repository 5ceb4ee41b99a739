// Ratios between benchmarks of one run.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

namespace mayfly::bench {

/// Prints the usual table, and then how each benchmark compares with the one that it names as its
/// base: "sign/mayfly" with "sign/raw". Medians of the repetitions are compared.
class RatioReporter final : public benchmark::ConsoleReporter {
 public:
  /// @param pairs  Benchmark and base, by the first two parts of their names.
  struct Pair {
    std::string name;
    std::string base;
    std::optional<double> aim;  ///< the ratio that is aimed at, at most
  };
  explicit RatioReporter(std::vector<Pair> pairs)
      : ConsoleReporter(OO_Tabular), pairs_(std::move(pairs)) {}

  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;

 private:
  std::vector<Pair> pairs_;
  std::map<std::string, double> times_;
};

}  // namespace mayfly::bench
