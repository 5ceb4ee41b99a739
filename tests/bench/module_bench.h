// The two groups of benchmarks.
#pragma once

#include "support/softhsm_token.h"

namespace mayfly::bench {

/// mayfly in this process against SoftHSM2 in this process, on the same token.
void register_module_benchmarks(const test::SoftHsmToken& token);

/// A client of p11-kit's remoting, against mayfly's broker and against p11-kit's own server, on the
/// same token.
void register_brokered_benchmarks(const test::SoftHsmToken& token);

}  // namespace mayfly::bench
