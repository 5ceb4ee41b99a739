#include "bench/tpm_side.h"

#include <chrono>
#include <fstream>
#include <stdexcept>

#include "bench/signer.h"
#include "support/tpm2_pkcs11_token.h"

namespace mayfly::bench {
namespace {

constexpr char kTask[] = "bench";

using Microseconds = std::chrono::duration<double, std::micro>;

TpmCall watch(const CommandCounter* counter, const auto& work) {
  const TpmTraffic before = counter == nullptr ? TpmTraffic{} : counter->traffic();
  const auto start = std::chrono::steady_clock::now();
  work();
  const Microseconds took = std::chrono::steady_clock::now() - start;
  const TpmTraffic after = counter == nullptr ? TpmTraffic{} : counter->traffic();
  return {took.count(), static_cast<double>(after.commands - before.commands),
          Microseconds(after.in_tpm - before.in_tpm).count()};
}

Target open_target(const TpmSide& side, const test::TempFolder& folder) {
  if (side.configuration.empty()) {
    Target target{side.name, load(test::Tpm2Pkcs11Token::module_path()), 0,
                  test::Tpm2Pkcs11Token::kPin, true};
    initialize(target.functions);
    target.slot = find_slot(target.functions, test::Tpm2Pkcs11Token::kLabel);
    return target;
  }
  setenv("MAYFLY_CONF", folder.write("mayfly.toml", side.configuration).c_str(), 1);
  setenv("MAYFLY_TASK", kTask, 1);
  Target target{side.name, load(MAYFLY_MODULE), 0, ""};
  initialize(target.functions);
  target.slot = find_slot(target.functions, kTask);
  return target;
}

std::vector<TpmCall> measure_here(const TpmSide& side, TpmWork work, int count,
                                  const CommandCounter* counter) {
  const test::TempFolder folder;
  const Target target = open_target(side, folder);
  std::vector<TpmCall> calls;
  if (work == TpmWork::sign) {
    Signer signer(target);
    signer.sign();
    for (int i = 0; i < count; ++i) calls.push_back(watch(counter, [&] { signer.sign(); }));
  } else {
    // A session of its own for each: tpm2-pkcs11 keeps what it made loaded until then, and the TPM
    // has three slots. The first one is not measured: it also makes what the others stand on.
    Session(target).generate();
    for (int i = 0; i < count; ++i) {
      Session session(target);
      calls.push_back(watch(counter, [&] { session.generate(); }));
    }
  }
  target.functions->C_Finalize(nullptr);
  return calls;
}

}  // namespace

std::vector<TpmCall> measure(const TpmSide& side, TpmWork work, int count,
                             const CommandCounter* counter) {
  const test::TempFolder folder;
  const auto results = folder.path() / "calls";
  const int status = test::in_process_of_its_own([&] {
    std::ofstream out(results);
    for (const TpmCall& call : measure_here(side, work, count, counter)) {
      out << call.us << ' ' << call.commands << ' ' << call.in_tpm_us << '\n';
    }
  });
  std::vector<TpmCall> calls;
  std::ifstream in(results);
  for (TpmCall call; in >> call.us >> call.commands >> call.in_tpm_us;) calls.push_back(call);
  if (status != 0 || calls.size() != static_cast<std::size_t>(count)) {
    throw std::runtime_error(side.name + " failed");
  }
  return calls;
}

}  // namespace mayfly::bench
