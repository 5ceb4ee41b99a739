// Benchmarks: mayfly against what it stands on, in one run, interleaved.
#include <benchmark/benchmark.h>

#include "bench/module_bench.h"
#include "bench/ratios.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const mayfly::test::SoftHsmToken token("mayfly-bench");
  mayfly::bench::register_module_benchmarks(token);
  mayfly::bench::register_brokered_benchmarks(token);
  mayfly::bench::RatioReporter reporter({
      {"sign/raw", "sign/libcrypto", std::nullopt},
      {"sign/mayfly", "sign/raw", 1.05},
      {"sign/mayfly-policy", "sign/mayfly", std::nullopt},
      {"sign/mayfly-ledger", "sign/mayfly", 1.05},
      {"cycle/mayfly", "cycle/raw", 1.15},
      {"sign/broker", "sign/p11-kit-server", 0.5},
      {"sign/door", "sign/mayfly", 1.25},
  });
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return 0;
}
