#include "bench/module_bench.h"

namespace mayfly::bench {

void register_brokered_benchmarks(const test::SoftHsmToken&) {}

}  // namespace mayfly::bench
