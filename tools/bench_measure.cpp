#include "tools/bench_measure.h"

#include <array>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/pkcs11.h"
#include "base/public_key.h"
#include "device/pkcs11/token_search.h"
#include "device/pkcs11/vendor_module.h"
#include "tools/failure.h"
#include "tools/token_session.h"
#include "tools/vendor_interface.h"

namespace mayfly::tools {
namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

constexpr std::size_t kFewest = 3;
constexpr std::size_t kMost = 5'000'000;  // of times that are kept
constexpr CK_ULONG kSignatureRoom = 512;

struct KeyPair {
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
};

/// What is done with keys in one session.
class KeyUser {
 public:
  KeyUser(const pkcs11::VendorModule& module, CK_SLOT_ID slot, BenchKey key, bool on_token)
      : functions_(module.functions()),
        session_(module, slot, CKF_RW_SESSION),
        key_(key),
        on_token_(on_token ? CK_TRUE : CK_FALSE) {}

  [[nodiscard]] TokenSession& session() noexcept { return session_; }

  [[nodiscard]] KeyPair generate() {
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    CK_ULONG bits = 2048;
    std::array<CK_BYTE, 3> exponent = {1, 0, 1};
    const ByteView p256 = ec_params({CKK_EC, 256});
    Bytes curve(p256.begin(), p256.end());
    std::string label = "mayfly bench";
    CK_ATTRIBUTE token{CKA_TOKEN, &on_token_, sizeof on_token_};
    CK_ATTRIBUTE name{CKA_LABEL, label.data(), label.size()};
    std::vector<CK_ATTRIBUTE> of_public = {token, name, {CKA_VERIFY, &yes, sizeof yes}};
    if (key_ == BenchKey::p256) {
      of_public.push_back({CKA_EC_PARAMS, curve.data(), curve.size()});
    } else {
      of_public.push_back({CKA_MODULUS_BITS, &bits, sizeof bits});
      of_public.push_back({CKA_PUBLIC_EXPONENT, exponent.data(), exponent.size()});
    }
    std::vector<CK_ATTRIBUTE> of_private = {token,
                                            name,
                                            {CKA_PRIVATE, &yes, sizeof yes},
                                            {CKA_SIGN, &yes, sizeof yes},
                                            {CKA_SENSITIVE, &yes, sizeof yes},
                                            {CKA_EXTRACTABLE, &no, sizeof no}};
    CK_MECHANISM mechanism{key_ == BenchKey::p256 ? CKM_EC_KEY_PAIR_GEN : CKM_RSA_PKCS_KEY_PAIR_GEN,
                           nullptr, 0};
    KeyPair pair;
    pkcs11::check(functions_->C_GenerateKeyPair(
                      session_.handle(), &mechanism, of_public.data(), of_public.size(),
                      of_private.data(), of_private.size(), &pair.public_key, &pair.private_key),
                  "making a key");
    return pair;
  }

  void sign(CK_OBJECT_HANDLE key) {
    CK_MECHANISM mechanism{key_ == BenchKey::p256 ? CKM_ECDSA : CKM_SHA256_RSA_PKCS, nullptr, 0};
    std::array<CK_BYTE, 32> input{};
    std::array<CK_BYTE, kSignatureRoom> signature{};
    CK_ULONG size = signature.size();
    pkcs11::check(functions_->C_SignInit(session_.handle(), &mechanism, key), "beginning to sign");
    pkcs11::check(
        functions_->C_Sign(session_.handle(), input.data(), input.size(), signature.data(), &size),
        "signing");
  }

  /// Both halves, also if the token keeps the first.
  void destroy(const KeyPair& pair) {
    const CK_RV first = functions_->C_DestroyObject(session_.handle(), pair.private_key);
    const CK_RV second = functions_->C_DestroyObject(session_.handle(), pair.public_key);
    pkcs11::check(first, "destroying a private key");
    pkcs11::check(second, "destroying a public key");
  }

 private:
  CK_FUNCTION_LIST_PTR functions_;
  TokenSession session_;
  BenchKey key_;
  CK_BBOOL on_token_;
};

/// Signs in several threads, each with a session of its own.
class SigningThreads {
 public:
  SigningThreads(const pkcs11::VendorModule& module, CK_SLOT_ID slot, const BenchPlan& plan)
      : plan_(plan) {
    for (std::size_t i = 0; i < plan.threads; ++i) {
      users_.push_back(std::make_unique<KeyUser>(module, slot, plan.key, false));
    }
  }

  [[nodiscard]] Figures measure_with(CK_OBJECT_HANDLE key) {
    const auto start = Clock::now();
    std::vector<std::thread> threads;
    for (const auto& user : users_) {
      threads.emplace_back([this, &user, key, start] { work(*user, key, start); });
    }
    for (std::thread& thread : threads) thread.join();
    if (problem_) std::rethrow_exception(problem_);
    return figures_of(std::move(times_), Microseconds(Clock::now() - start).count() / 1e6);
  }

 private:
  void work(KeyUser& user, CK_OBJECT_HANDLE key, Clock::time_point start) noexcept {
    try {
      std::vector<double> times;
      Clock::time_point last = Clock::now();
      while (times.size() < kFewest || (last - start < plan_.time && times.size() < kMost)) {
        user.sign(key);
        const auto now = Clock::now();
        times.push_back(Microseconds(now - last).count());
        last = now;
      }
      const std::scoped_lock lock(mutex_);
      times_.insert(times_.end(), times.begin(), times.end());
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      problem_ = std::current_exception();
    }
  }

  const BenchPlan& plan_;
  std::vector<std::unique_ptr<KeyUser>> users_;
  std::mutex mutex_;  // guards what follows
  std::vector<double> times_;
  std::exception_ptr problem_;
};

/// Makes a key, has it used, and destroys it, however that ends.
void with_key(KeyUser& user, const std::function<void(const KeyPair&)>& use) {
  const KeyPair pair = user.generate();
  try {
    use(pair);
  } catch (...) {
    user.destroy(pair);
    throw;
  }
  user.destroy(pair);
}

}  // namespace

Figures measure(std::chrono::milliseconds time, const std::function<void()>& once,
                const std::function<void()>& after) {
  std::vector<double> times;
  double all = 0;
  const auto end = Clock::now() + time;
  while (times.size() < kFewest || (Clock::now() < end && times.size() < kMost)) {
    const auto start = Clock::now();
    once();
    times.push_back(Microseconds(Clock::now() - start).count());
    all += times.back();
    if (after) after();
  }
  return figures_of(std::move(times), all / 1e6);
}

void measure_token(const BenchPlan& plan, BenchToken wanted, Way& way) {
  pkcs11::VendorModule module(wanted.module);
  module.initialize();
  const pkcs11::Token token = pkcs11::find_token(module, wanted.uri);
  {
    KeyUser user(module, token.slot, plan.key, wanted.keys_are_stored);
    if ((token.info.flags & CKF_LOGIN_REQUIRED) != 0) {
      if (!wanted.pin)
        throw Failure(kWrongPin, "the token wants a login, for which there is no PIN");
      user.session().log_in(CKU_USER, *wanted.pin);
    }
    KeyPair pair;
    way.operations["generate"] = measure(
        plan.time, [&] { pair = user.generate(); }, [&] { user.destroy(pair); });
    with_key(user, [&](const KeyPair& key) {
      way.operations["sign"] =
          SigningThreads(module, token.slot, plan).measure_with(key.private_key);
    });
    way.operations["cycle"] = measure(plan.time, [&] {
      with_key(user, [&](const KeyPair& fresh) { user.sign(fresh.private_key); });
    });
  }
  module.close();
}

void measure_tasks(const BenchPlan& plan, const std::string& library, Way& way) {
  pkcs11::VendorModule module(library);
  module.initialize();
  const MAYFLY_FUNCTION_LIST* const vendor = vendor_interface(library);
  const std::string id = "mayfly bench, one of many";
  MAYFLY_TASK_REQUEST request{};
  request.task_id = id.c_str();
  way.operations["task"] = measure(plan.time, [&] {
    CK_SLOT_ID slot = 0;
    pkcs11::check(vendor->MAYFLY_OpenTask(&request, &slot), "opening a task");
    pkcs11::check(vendor->MAYFLY_CloseTask(slot), "ending a task");
  });
  module.close();
}

}  // namespace mayfly::tools
