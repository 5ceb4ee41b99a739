// What can be tried with the power to kill and to stop: that a key outlives who should end it.
#include <chrono>
#include <optional>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "tools/drill/device_look.h"
#include "tools/drill/module.h"
#include "tools/drill/task_run.h"

namespace mayfly::drill {
namespace {

constexpr char kKiller[] = "the power to kill any process of the agent's user";
constexpr std::chrono::seconds kDeathTime{3};
constexpr std::chrono::seconds kClearUpTime{20};
constexpr char kStopper[] = "the power to stop and continue processes, or the whole machine";

/// A task that runs, and a client with a key that all its processes share.
struct Victim {
  explicit Victim(const Ground& ground, const TaskRun::Options& options = {})
      : run(ground, "drill", options),
        module(run.door()),
        session(module, ground, module.slot()),
        keys(session.generate(true)) {
    expect_ok("signing while the task lives", session.sign(keys.private_key));
  }

  TaskRun run;
  Module module;
  Session session;
  KeyPair keys;
};

/// What is on the device; nothing where that can't be listed.
std::optional<DeviceLook> look_at_device(const Ground& ground) {
  if (ground.config().device.type == DeviceType::tpm) return std::nullopt;
  return DeviceLook(ground);
}

/// Whether the key still signs once the worker is dead, or has had time enough to die.
Outcome sign_after(const Victim& victim) {
  static_cast<void>(dies(victim.run.worker(), kDeathTime));
  return must_refuse("signing", victim.session.sign(victim.keys.private_key));
}

/// Kills one of the processes, and sees whether the key outlives that, for whoever has a handle or
/// on the device.
Outcome kill_one(const Ground& ground, pid_t (TaskRun::*whom)() const) {
  const std::optional<DeviceLook> before = look_at_device(ground);
  Outcome signing;
  {
    const Victim victim(ground);
    kill((victim.run.*whom)(), SIGKILL);
    signing = sign_after(victim);
    if (signing.result == Result::broken) return signing;
    // Who is left clears up, and needs a command that has ended for that.
    kill(victim.run.command(), SIGKILL);
    for (const pid_t process : {victim.run.supervisor(), victim.run.guardian()}) {
      if (!dies(process, kClearUpTime)) throw std::runtime_error("mayfly run does not end");
    }
  }
  if (!before) return signing;
  const std::string left = DeviceLook(ground).added_since(*before);
  if (!left.empty()) return {Result::broken, "left on the device: " + left};
  return {Result::held, signing.detail + "; nothing is left on the device"};
}

Outcome kill_command(const Ground& ground) { return kill_one(ground, &TaskRun::command); }

Outcome kill_guardian(const Ground& ground) { return kill_one(ground, &TaskRun::guardian); }

Outcome kill_supervisor(const Ground& ground) { return kill_one(ground, &TaskRun::supervisor); }

Outcome kill_worker(const Ground& ground) { return kill_one(ground, &TaskRun::worker); }

Outcome kill_client(const Ground& ground) {
  const TaskRun run(ground, "drill");
  const Module module(run.door());
  const Session session(module, ground, module.slot());
  const auto keys = [&] {
    MAYFLY_TASK_INFO info{};
    expect_ok("MAYFLY_TaskInfo", module.vendor().MAYFLY_TaskInfo(module.slot(), &info));
    return info.keys;
  };
  const pid_t client = fork();
  if (client < 0) throw NotTried("no process can be made");
  if (client == 0) {
    // A process of its own, with a library of its own.
    try {
      static_cast<void>(module.initialize());
      static_cast<void>(Session(module, ground, module.slot()).generate());
      raise(SIGSTOP);
    } catch (const std::exception&) {  // which is told by the exit
    }
    _exit(0);
  }
  int status = 0;
  waitpid(client, &status, WUNTRACED);
  if (!WIFSTOPPED(status)) throw std::runtime_error("the client made no key");
  const CK_ULONG before = keys();
  kill(client, SIGKILL);
  waitpid(client, &status, 0);
  if (before != 1) throw std::runtime_error("the client made no key");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (keys() != 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return {keys() == 0 ? Result::held : Result::broken,
          std::to_string(keys()) + " of the client's session keys live on"};
}

Outcome stop_over_deadline(const Ground& ground) {
  static constexpr std::chrono::seconds kLife{4};  // time enough to begin
  TaskRun::Options options;
  options.ttl = std::to_string(kLife.count()) + "s";
  const Victim victim(ground, options);
  stop(victim.run.worker());
  CK_RV rv = CKR_OK;
  std::thread signer([&] { rv = victim.session.sign(victim.keys.private_key); });
  std::this_thread::sleep_for(kLife + std::chrono::milliseconds(100));
  kill(victim.run.worker(), SIGCONT);
  signer.join();
  return must_refuse("the signature that was asked for meanwhile", rv);
}

}  // namespace

std::vector<Scenario> killer_scenarios() {
  using enum Safeguard;
  return {
      {"kill-the-command",
       kKiller,
       "kills the task's command and goes on with its key",
       "the task ends with its command, and the key with it",
       {command_end},
       kill_command},
      {"kill-the-guardian",
       kKiller,
       "kills the process that mayfly run was started as",
       "the supervisor ends the task",
       {command_end},
       kill_guardian},
      {"kill-the-supervisor",
       kKiller,
       "kills the supervisor, and goes on with the worker's key",
       "the worker dies with its supervisor",
       {worker_follows},
       kill_supervisor},
      {"kill-the-worker",
       kKiller,
       "kills the worker, so that nobody destroys its keys",
       "none is left on the device",
       {device_cleanup},
       kill_worker},
      {"kill-a-client",
       kKiller,
       "kills a client, so that nobody closes its sessions",
       "its session keys are destroyed",
       {connection_cleanup},
       kill_client},
      {"stop-over-the-deadline",
       kStopper,
       "stops the worker, asks for a signature, and lets it go on after the deadline",
       "the signature is refused",
       {deadline, chip_deadline},
       stop_over_deadline},
  };
}

}  // namespace mayfly::drill
