// Measuring a token by PKCS#11, in this process.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/secret.h"
#include "tools/bench_figures.h"

namespace mayfly::tools {

enum class BenchKey { p256, rsa2048 };

/// How to measure.
struct BenchPlan {
  BenchKey key = BenchKey::p256;
  std::chrono::milliseconds time{1'000};  ///< for each operation
  std::size_t threads = 1;                ///< that sign at the same time
};

/// A token to be measured, and how to get at it.
struct BenchToken {
  std::string module;               ///< the library's path
  std::string uri;                  ///< a PKCS#11 URI that names the token
  std::optional<SecretBuffer> pin;  ///< for a token that wants a login
  bool keys_are_stored = false;     ///< keys are token objects: the token can't hold others
};

/// Makes keys, signs with one and destroys all of them: `generate`, `sign` and `cycle`, which is
/// one key made, used once and destroyed.
/// @throws Error what the token answered; its key is destroyed all the same, as far as it lets us.
void measure_token(const BenchPlan& plan, BenchToken token, Way& way);

/// Opens tasks in this process and ends them, as MAYFLY_OpenTask and MAYFLY_CloseTask do: `task`.
/// @param library  libmayfly.so, which finds its configuration in the environment.
void measure_tasks(const BenchPlan& plan, const std::string& library, Way& way);

/// Does something again and again for a time, three times at least.
/// @param after  Done after each, and not measured.
[[nodiscard]] Figures measure(std::chrono::milliseconds time, const std::function<void()>& once,
                              const std::function<void()>& after = {});

}  // namespace mayfly::tools
