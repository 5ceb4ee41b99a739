#include <filesystem>
#include <list>

#include <benchmark/benchmark.h>

#include "bench/module_bench.h"
#include "bench/signer.h"
#include "support/raw_module.h"
#include "support/server_process.h"

namespace mayfly::bench {
namespace {

/// A copy of p11-kit's client in this process, connected to an address. One copy has one address,
/// so each server gets a file of its own.
Target connect(const std::string& name, const std::string& address, const std::string& label,
               const std::filesystem::path& folder) {
  const auto copy = folder / ("p11-kit-client-" + name + ".so");
  std::filesystem::copy_file(MAYFLY_P11_KIT_CLIENT, copy);
  setenv("P11_KIT_SERVER_ADDRESS", address.c_str(), 1);
  Target target{name, load(copy.string()), 0, ""};
  initialize(target.functions);
  target.slot = find_slot(target.functions, label);
  return target;
}

/// A copy of libmayfly.so in this process, as a client of a worker.
Target enter_door(const std::string& socket, const std::string& label,
                  const std::filesystem::path& folder) {
  const auto copy = folder / "libmayfly-door.so";
  std::filesystem::copy_file(MAYFLY_MODULE, copy);
  Target target{"door", load(copy.string()), 0, ""};
  initialize(target.functions, "broker='" + socket + "'");
  target.slot = find_slot(target.functions, label);
  return target;
}

void log_in(const Target& target, const SecretBuffer& pin) {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  test::expect_ok(
      target.functions->C_OpenSession(target.slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session),
      "C_OpenSession");
  Bytes copy = to_bytes(pin.view());
  test::expect_ok(target.functions->C_Login(session, CKU_USER, copy.data(), copy.size()),
                  "C_Login");
}

void bench_sign(benchmark::State& state, const Target& target) {
  Signer signer(target);
  for (auto _ : state) signer.sign();
}

}  // namespace

void register_brokered_benchmarks(const test::SoftHsmToken& token) {
  static constexpr const char* kTask = "bench-brokered";
  static std::list<test::ServerProcess> servers;  // ended when the program ends
  const std::string address = "P11_KIT_SERVER_ADDRESS=";
  const std::string doors = "DOORS=";

  const auto& broker = servers.emplace_back(
      std::vector<std::string>{
          MAYFLY_COMMAND, "run", "--task", kTask, "--", "sh", "-c",
          "echo " + doors + "$MAYFLY_SOCKET $P11_KIT_SERVER_ADDRESS; exec sleep 3600"},
      doors);
  const std::string both = broker.address();
  const std::size_t blank = both.find(' ');
  const Target door = enter_door(both.substr(0, blank), kTask, token.folder());
  const Target ours = connect("broker", both.substr(blank + 1), kTask, token.folder());

  const auto& server = servers.emplace_back(
      std::vector<std::string>{"p11-kit", "server", "-f", "-n",
                               (token.folder() / "p11-kit.sock").string(), "--provider",
                               token.module_path().string(), token.uri()},
      address);
  const Target theirs = connect("p11-kit-server", server.address(), token.label(), token.folder());
  log_in(theirs, token.pin());

  for (const Target& target : {theirs, ours, door}) {
    for (const int threads : {1, 2}) {
      benchmark::RegisterBenchmark(("sign/" + target.name).c_str(), bench_sign, target)
          ->Threads(threads)
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace mayfly::bench
