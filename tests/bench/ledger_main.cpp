// What a ledger costs on C_SignInit and C_Sign: one task without a ledger and one with each way of
// keeping it, over one SoftHSM2 token, in turns.
//
//   mayfly_ledger_bench [ROUNDS [SIGNATURES]]    signatures in each round; 31 and 2000 without them
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "bench/configuration.h"
#include "compose/library.h"
#include "core/application.h"

namespace mayfly::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// Microseconds that this thread has had of a processor: on a machine that does other things as
/// well they tell more than the clock.
double worked() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// One way of keeping a ledger, and a key in a task that is kept so.
struct Way {
  const char* name;
  std::unique_ptr<TaskTable> tasks;
  std::unique_ptr<Application> application;
  std::shared_ptr<Session> session;
  ObjectHandle key;
  std::vector<double> times = {};  // microseconds a signature, one for each round
  std::vector<double> work = {};   // the same of the processor

  Way(const char* way, Device& device, const std::optional<LedgerPlace>& place) : name(way) {
    TaskLimits limits;
    limits.ledger = place;
    tasks = std::make_unique<TaskTable>(device, limits, nullptr);
    application = std::make_unique<Application>(*tasks, 10);
    const auto task = tasks->open({way, {}});
    session = application->session(application->open_session(task->slot(), true));
    Attributes wanted;
    wanted.set(CKA_EC_PARAMS, ec_params({CKK_EC, 256}));
    key = session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, {}).private_key;
  }

  void measure(int signatures) {
    static const Bytes kDigest(32, 0x2a);
    std::array<std::uint8_t, 64> signature{};
    const double before = worked();
    const auto start = Clock::now();
    for (int i = 0; i < signatures; ++i) {
      session->sign_init({CKM_ECDSA, {}}, key);
      session->sign(kDigest, signature);
    }
    const std::chrono::duration<double, std::micro> time = Clock::now() - start;
    times.push_back(time.count() / signatures);
    work.push_back((worked() - before) / signatures);
  }
};

int run(int rounds, int signatures) {
  const test::SoftHsmToken token("mayfly-bench");
  const test::TempFolder folder;
  const auto device = open_device(Config::load(write_configuration(token)));
  std::vector<std::unique_ptr<Way>> ways;
  const auto add = [&](const char* name, const std::optional<LedgerPlace>& place) {
    ways.push_back(std::make_unique<Way>(name, *device, place));
  };
  add("no ledger", std::nullopt);
  add("end", LedgerPlace{folder.path(), ledger::Sync::end});
  add("interval", LedgerPlace{folder.path(), ledger::Sync::interval});
  for (int round = 0; round < rounds; ++round) {
    for (const auto& way : ways) way->measure(signatures);
  }
  // It waits for the disk, and would have the others wait with it.
  add("entry", LedgerPlace{folder.path(), ledger::Sync::entry});
  for (int round = 0; round < rounds; ++round) ways.back()->measure(signatures / 20 + 1);
  const double time = median(ways.front()->times);
  const double work = median(ways.front()->work);
  std::printf("%-12s%14s%8s%18s%10s%8s\n", "ledger.sync", "us/signature", "ratio",
              "us of processor", "more us", "ratio");
  for (const auto& way : ways) {
    const double its_work = median(way->work);
    std::printf("%-12s%14.2f%8.3f%18.2f%10.2f%8.3f\n", way->name, median(way->times),
                median(way->times) / time, its_work, its_work - work, its_work / work);
    way->tasks->end_all(TaskState::closed);
  }
  ways.clear();
  device->close();
  return 0;
}

}  // namespace
}  // namespace mayfly::bench

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 31;
  const int signatures = argc > 2 ? std::max(1, std::atoi(argv[2])) : 2000;
  return mayfly::bench::run(rounds, signatures);
}
