// What code in a task's own process can try against the task's limits and its login.
#include <atomic>
#include <chrono>
#include <thread>

#include "tools/drill/module.h"
#include "tools/drill/task_run.h"

namespace mayfly::drill {
namespace {

using std::chrono::steady_clock;

constexpr char kLimitedAgent[] = "code in the agent's process, while the task lives";
constexpr char kCaller[] = "leave to open tasks under a policy";
constexpr char kNoPin[] = "a task's token, and no PIN for it";
constexpr std::size_t kThreads = 16;

TaskRun::Options under(const char* policy) {
  TaskRun::Options options;
  options.policy = policy;
  return options;
}

/// How many of 16 threads' attempts, made as fast as they can, succeeded.
std::size_t count_successes(std::size_t attempts_each, const auto& attempt) {
  std::atomic<std::size_t> successes{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t n = 0; n < attempts_each; ++n) {
        if (attempt(i)) ++successes;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return successes;
}

std::vector<Session> sessions_for_all(const Module& module, const Ground& ground) {
  std::vector<Session> sessions;
  for (std::size_t i = 0; i < kThreads; ++i) sessions.emplace_back(module, ground, module.slot());
  return sessions;
}

Outcome no_more_than(std::size_t made, std::size_t most, const std::string& what) {
  return {made > most ? Result::broken : Result::held, std::to_string(kThreads) + " threads got " +
                                                           std::to_string(made) + " " + what +
                                                           " of " + std::to_string(most)};
}

Outcome overrun_signatures(const Ground& ground) {
  const TaskRun run(ground, "drill", under(kFewSignatures));
  const Module module(run.door());
  const auto sessions = sessions_for_all(module, ground);
  const KeyPair keys = sessions.front().generate(true);
  const std::size_t made = count_successes(
      4, [&](std::size_t i) { return sessions[i].sign(keys.private_key) == CKR_OK; });
  if (made == 0) throw std::runtime_error("not one signature was made");
  return no_more_than(made, kFew, "signatures");
}

Outcome overrun_keys(const Ground& ground) {
  const TaskRun run(ground, "drill", under(kFewKeys));
  const Module module(run.door());
  const auto sessions = sessions_for_all(module, ground);
  const std::size_t made = count_successes(2, [&](std::size_t i) {
    Template wanted;
    wanted.flag(CKA_TOKEN, false);
    KeyPair keys;
    return sessions[i].try_generate(wanted, keys) == CKR_OK;
  });
  if (made == 0) throw std::runtime_error("not one key was made");
  return no_more_than(made, kFew, "keys");
}

Outcome overrun_rate(const Ground& ground) {
  const TaskRun run(ground, "drill", under(kSlow));
  const Module module(run.door());
  const auto sessions = sessions_for_all(module, ground);
  const KeyPair keys = sessions.front().generate(true);
  const auto start = steady_clock::now();
  const std::size_t made = count_successes(
      4, [&](std::size_t i) { return sessions[i].sign(keys.private_key) == CKR_OK; });
  const auto took = std::chrono::ceil<std::chrono::seconds>(steady_clock::now() - start);
  if (made == 0) throw std::runtime_error("not one signature was made");
  // A second's worth at once, and what comes in while it goes on.
  return no_more_than(made, kFew * (1 + static_cast<std::size_t>(took.count())), "signatures");
}

Outcome use_another_mechanism(const Ground& ground) {
  const TaskRun run(ground, "drill", under(kOneMechanism));
  const Module module(run.door());
  const Session session(module, ground, module.slot());
  const KeyPair keys = session.generate();
  expect_ok("signing with the mechanism that is allowed", session.sign(keys.private_key));
  CK_MECHANISM raw = {session.kind().spec.type == CKK_RSA ? CKM_RSA_PKCS : CKM_ECDSA, nullptr, 0};
  return must_refuse("C_SignInit with the raw mechanism",
                     module->C_SignInit(session.handle(), &raw, keys.private_key));
}

Outcome use_another_kind(const Ground& ground) {
  const TaskRun run(ground, "drill", under(kOneMechanism));
  const Module module(run.door());
  const Session session(module, ground, module.slot());
  static_cast<void>(session.generate());
  Kind other = session.kind();
  other.spec.bits = other.spec.type == CKK_RSA ? 3072 : 384;
  Template wanted;
  wanted.flag(CKA_TOKEN, false);
  KeyPair made;
  return must_refuse("C_GenerateKeyPair of " + to_string(other.spec),
                     Session(module, session.handle(), other).try_generate(wanted, made));
}

Outcome live_longer(const Ground& ground) {
  const Module module(ground);
  CK_SLOT_ID slot = 0;
  expect_ok("MAYFLY_OpenTask within the limit",
            try_open_task(module, ground, {"drill-within", kShort, 5, ""}, slot));
  return must_refuse("MAYFLY_OpenTask for longer than max-ttl",
                     try_open_task(module, ground, {"drill-beyond", kShort, 60, ""}, slot));
}

/// A session on a token that wants a login, without it.
struct Stranger {
  explicit Stranger(const Ground& ground)
      : run(ground, "drill", under(kWithLogin)), module(run.door()) {
    expect_ok("C_OpenSession",
              module->C_OpenSession(module.slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                                    nullptr, &handle));
  }
  [[nodiscard]] CK_RV log_in(std::string pin) const {
    return module->C_Login(handle, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(pin.data()),
                           pin.size());
  }

  TaskRun run;
  Module module;
  CK_SESSION_HANDLE handle = 0;
};

Outcome guess_the_pin(const Ground& ground) {
  const Stranger stranger(ground);
  static constexpr int kGuesses = 30;
  CK_RV last = CKR_OK;
  for (int i = 0; i < kGuesses; ++i) {
    last = stranger.log_in("guess" + std::to_string(i));
    if (last == CKR_OK) return {Result::broken, "a guess was taken"};
    if (last == CKR_PIN_LOCKED) break;
  }
  // Were it not locked, the right one would be found as surely.
  return must_refuse("C_Login with the right PIN, after " + std::to_string(kGuesses) + " guesses",
                     stranger.log_in(ground.login_pin()));
}

Outcome do_without_login(const Ground& ground) {
  const Stranger stranger(ground);
  const Session helper(stranger.module, stranger.handle,
                       {{CKK_EC, 256}, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA_SHA256, {}});
  const Session owner(stranger.module, ground, stranger.module.slot());
  const KeyPair keys = owner.generate(true);
  expect_ok("signing while logged in", owner.sign(keys.private_key));
  expect_ok("C_Logout", stranger.module->C_Logout(owner.handle()));
  const std::size_t found = helper.find(CKO_PRIVATE_KEY).size();
  if (found != 0) return {Result::broken, std::to_string(found) + " private keys are seen"};
  return must_refuse("signing", owner.sign(keys.private_key));
}

Outcome finish_after_logout(const Ground& ground) {
  const Stranger stranger(ground);
  const Session owner(stranger.module, ground, stranger.module.slot());
  const KeyPair keys = owner.generate(true);
  expect_ok("signing while logged in", owner.sign(keys.private_key));
  expect_ok("C_SignInit", owner.sign_init(keys.private_key));
  expect_ok("C_SignUpdate", owner.sign_update());
  expect_ok("C_Logout", stranger.module->C_Logout(owner.handle()));
  return must_refuse("C_SignFinal", owner.sign_final());
}

}  // namespace

std::vector<Scenario> policy_scenarios() {
  using enum Safeguard;
  return {
      {"overrun-signatures",
       kLimitedAgent,
       "signs from 16 threads at once, beyond max-signatures",
       "not one more is given out",
       {quotas},
       overrun_signatures},
      {"overrun-keys",
       kLimitedAgent,
       "makes keys from 16 threads at once, beyond max-keys",
       "not one more is made",
       {quotas},
       overrun_keys},
      {"overrun-rate",
       kLimitedAgent,
       "signs from 16 threads at once, beyond max-rate",
       "not one more is given out",
       {rate},
       overrun_rate},
      {"use-another-mechanism",
       kLimitedAgent,
       "signs with a mechanism that the policy leaves out",
       "the mechanism is refused",
       {policy},
       use_another_mechanism},
      {"use-another-kind",
       kLimitedAgent,
       "makes a key of a kind that the policy leaves out",
       "the key is refused",
       {policy},
       use_another_kind},
      {"live-longer",
       kCaller,
       "opens a task for longer than max-ttl",
       "the task is not opened",
       {ttl_limit},
       live_longer},
      {"guess-the-pin",
       kNoPin,
       "guesses the PIN",
       "the login is locked before he has it",
       {pin_attempts},
       guess_the_pin},
      {"use-after-logout",
       kNoPin,
       "looks for keys and signs when their owner has logged out",
       "no key is seen or signs",
       {login},
       do_without_login},
      {"finish-after-logout",
       kNoPin,
       "finishes a signature that was begun before the logout",
       "the signature is refused",
       {login},
       finish_after_logout},
  };
}

}  // namespace mayfly::drill
