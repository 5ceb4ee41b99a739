// Benchmark of the TPM: mayfly's modes against tpm2-pkcs11, on one swtpm, in turns.
//
//   mayfly_tpm_bench [ROUNDS [CALLS]]
//
// Each round, each side does CALLS signatures and then a tenth as many key generations, in a
// process of its own; times are medians over all. Then each does it once more with a counter before
// the TPM, which tells how many commands there were and how long the TPM worked on them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>

#include "bench/command_counter.h"
#include "bench/tpm_side.h"
#include "support/tpm2_pkcs11_token.h"

namespace mayfly::bench {
namespace {

/// All calls of one side, and what is in the middle of them.
struct Figure {
  std::vector<TpmCall> direct;   // without the counter, for their time
  std::vector<TpmCall> counted;  // with it

  static double median(std::vector<TpmCall> calls, double TpmCall::*what) {
    std::ranges::sort(calls, {}, what);
    return calls[calls.size() / 2].*what;
  }
  [[nodiscard]] double us() const { return median(direct, &TpmCall::us); }
  [[nodiscard]] double commands() const { return median(counted, &TpmCall::commands); }
  [[nodiscard]] double in_tpm_us() const { return median(counted, &TpmCall::in_tpm_us); }
};

struct Aim {
  TpmWork work;
  const char* side;
  double times_as_fast;
};

constexpr const char* kBase = "tpm2-pkcs11";
constexpr const char* kHardware = "mayfly, hardware deadline";
constexpr const char* kSoftware = "mayfly, software deadline";
constexpr Aim kAims[] = {{TpmWork::sign, kHardware, 4},
                         {TpmWork::sign, kSoftware, 6},
                         {TpmWork::generate, kHardware, 5}};

std::string configuration(const std::string& tcti, const std::string& more) {
  return "[device]\ntype = \"tpm\"\n[tpm]\ntcti = \"" + tcti + "\"\n" + more;
}

std::vector<TpmSide> sides_over(const std::string& tcti) {
  return {{kBase, ""},
          {kHardware, configuration(tcti, "")},
          {kSoftware, configuration(tcti, "deadline = \"software\"\n")},
          {"mayfly, kill switch", configuration(tcti, "kill-switch = true\n")},
          {"mayfly, encrypted", configuration(tcti, "encrypt = true\n")}};
}

int calls_of(TpmWork work, int calls) {
  return work == TpmWork::sign ? calls : std::max(1, calls / 10);
}

using Figures = std::map<std::pair<TpmWork, std::string>, Figure>;

void print(const Figures& figures, TpmWork work, const char* title) {
  const double base = figures.at({work, kBase}).us();
  std::printf("\n%s\n  %-26s %9s %9s %9s %9s %14s\n", title, "", "commands", "us", "of it TPM",
              "host", "times as fast");
  for (const TpmSide& side : sides_over("")) {
    const Figure& figure = figures.at({work, side.name});
    std::printf("  %-26s %9.0f %9.0f %9.0f %9.0f %14.2f\n", side.name.c_str(), figure.commands(),
                figure.us(), figure.in_tpm_us(), figure.us() - figure.in_tpm_us(),
                base / figure.us());
  }
  for (const Aim& aim : kAims) {
    if (aim.work != work) continue;
    const double ratio = base / figures.at({work, aim.side}).us();
    std::printf("  aim for %s: %.0f times as fast, %s\n", aim.side, aim.times_as_fast,
                ratio >= aim.times_as_fast ? "met" : "missed");
  }
}

void run(int rounds, int calls) {
  test::Swtpm tpm;
  tpm.reset();  // the chip enforces no deadline before its first one
  test::Tpm2Pkcs11Token token(tpm);
  Figures figures;
  const auto turn = [&](const std::string& tcti, const CommandCounter* counter) {
    for (const TpmWork work : {TpmWork::sign, TpmWork::generate}) {
      for (const TpmSide& side : sides_over(tcti)) {
        Figure& figure = figures[{work, side.name}];
        std::vector<TpmCall>& all = counter == nullptr ? figure.direct : figure.counted;
        std::ranges::move(measure(side, work, calls_of(work, calls), counter),
                          std::back_inserter(all));
        tpm.flush_objects();
      }
    }
  };
  CommandCounter counter(tpm.tcti());
  for (int round = 0; round < rounds; ++round) {
    token.reach_by(tpm.tcti());
    turn(tpm.tcti(), nullptr);
    token.reach_by(counter.tcti());
    turn(counter.tcti(), &counter);
  }
  print(figures, TpmWork::sign, "C_SignInit and C_Sign, P-256");
  print(figures, TpmWork::generate, "C_GenerateKeyPair, P-256");
}

}  // namespace
}  // namespace mayfly::bench

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 11;
  const int calls = argc > 2 ? std::atoi(argv[2]) : 200;
  if (rounds < 1 || calls < 1 || argc > 3) {
    std::fprintf(stderr, "usage: mayfly_tpm_bench [ROUNDS [CALLS]]\n");
    return 2;
  }
  try {
    mayfly::bench::run(rounds, calls);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
