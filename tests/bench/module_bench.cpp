#include "bench/module_bench.h"

#include <benchmark/benchmark.h>

#include "bench/configuration.h"
#include "bench/signer.h"
#include "support/raw_module.h"

namespace mayfly::bench {
namespace {

void bench_sign(benchmark::State& state, const Target& target) {
  Signer signer(target);
  for (auto _ : state) signer.sign();
}

void bench_cycle(benchmark::State& state, const Target& target) {
  for (auto _ : state) cycle(target);
}

}  // namespace

void register_module_benchmarks(const test::SoftHsmToken& token) {
  static constexpr const char* kTask = "bench";
  setenv("MAYFLY_CONF", write_configuration(token).c_str(), 1);
  setenv("MAYFLY_TASK", kTask, 1);
  Target mayfly{"mayfly", load(MAYFLY_MODULE), 0, ""};
  initialize(mayfly.functions);
  mayfly.slot = find_slot(mayfly.functions, kTask);

  // mayfly has logged in to SoftHSM2 already, for this whole process.
  Target raw{"raw", load(token.module_path().string()), 0, ""};
  initialize(raw.functions);
  raw.slot = find_slot(raw.functions, token.label());

  for (const Target& target : {raw, mayfly}) {
    for (const int threads : {1, 2}) {
      benchmark::RegisterBenchmark(("sign/" + target.name).c_str(), bench_sign, target)
          ->Threads(threads)
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
      benchmark::RegisterBenchmark(("cycle/" + target.name).c_str(), bench_cycle, target)
          ->Threads(threads)
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace mayfly::bench
