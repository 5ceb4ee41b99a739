#include "bench/module_bench.h"

#include <array>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <vector>

#include <benchmark/benchmark.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "bench/configuration.h"
#include "bench/signer.h"
#include "support/raw_module.h"

namespace mayfly::bench {
namespace {

/// Signs with a P-256 key of libcrypto's: what nobody who keeps the key elsewhere can be faster
/// than.
class LibcryptoSigner {
 public:
  LibcryptoSigner() : key_(EVP_EC_gen("P-256"), EVP_PKEY_free) {
    context_.reset(EVP_PKEY_CTX_new(key_.get(), nullptr));
    if (context_ == nullptr) throw std::runtime_error("libcrypto makes no key");
  }

  void sign() {
    const std::array<unsigned char, 32> digest = {1, 2, 3};
    std::array<unsigned char, 80> signature;
    std::size_t size = signature.size();
    if (EVP_PKEY_sign_init(context_.get()) != 1 ||
        EVP_PKEY_sign(context_.get(), signature.data(), &size, digest.data(), digest.size()) != 1) {
      throw std::runtime_error("libcrypto does not sign");
    }
  }

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context_{nullptr, EVP_PKEY_CTX_free};
};

void bench_libcrypto(benchmark::State& state) {
  LibcryptoSigner signer;
  for (auto _ : state) signer.sign();
}

void bench_sign(benchmark::State& state, const Target& target) {
  Signer signer(target);
  for (auto _ : state) signer.sign();
}

void bench_cycle(benchmark::State& state, const Target& target) {
  for (auto _ : state) cycle(target);
}

/// A copy of libmayfly.so with more in its configuration: a process has one of each copy.
Target load_copy(const test::SoftHsmToken& token, const std::string& name,
                 const std::string& more) {
  const auto copy = token.folder() / ("libmayfly-" + name + ".so");
  std::filesystem::copy_file(MAYFLY_MODULE, copy);
  Target target{"mayfly-" + name, load(copy.string()), 0, ""};
  initialize(target.functions,
             "task='" + name + "' conf='" + write_configuration(token, name + ".toml", more) + "'");
  target.slot = find_slot(target.functions, name);
  return target;
}

template <typename Function, typename... Arguments>
void add(const std::string& name, Function function, const Arguments&... arguments) {
  for (const int threads : {1, 2}) {
    benchmark::RegisterBenchmark(name.c_str(), function, arguments...)
        ->Threads(threads)
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace

void register_module_benchmarks(const test::SoftHsmToken& token) {
  static constexpr const char* kTask = "bench";
  setenv("MAYFLY_CONF", write_configuration(token).c_str(), 1);
  setenv("MAYFLY_TASK", kTask, 1);
  Target mayfly{"mayfly", load(MAYFLY_MODULE), 0, ""};
  initialize(mayfly.functions);
  mayfly.slot = find_slot(mayfly.functions, kTask);
  // Limits that are far away cost as much as near ones.
  const Target policy = load_copy(token, "policy",
                                  "[policy]\nmechanisms = [\"CKM_ECDSA\"]\nkeys = [\"EC P-256\"]\n"
                                  "max-signatures = 1000000000000\nmax-rate = 1000000\n");
  const auto chains = token.folder() / "chains";
  std::filesystem::create_directory(chains);
  std::filesystem::permissions(chains, std::filesystem::perms::owner_all);
  const Target ledger =
      load_copy(token, "ledger", "[ledger]\nfolder = \"" + chains.string() + "\"\n");

  // mayfly has logged in to SoftHSM2 already, for this whole process.
  Target raw{"raw", load(token.module_path().string()), 0, ""};
  initialize(raw.functions);
  raw.slot = find_slot(raw.functions, token.label());

  add("sign/libcrypto", bench_libcrypto);
  for (const Target& target : {raw, mayfly}) {
    add("sign/" + target.name, bench_sign, target);
    add("cycle/" + target.name, bench_cycle, target);
  }
  for (const Target& target : {policy, ledger}) add("sign/" + target.name, bench_sign, target);
}

}  // namespace mayfly::bench
