// How many tasks a second the registry opens, each with a grant of its own, and ends.
//
//   mayfly_registry_bench [SECONDS]    for each row; 2 without it
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "integration/registry/backend.h"
#include "integration/registry/process_team.h"

namespace mayfly::test {
namespace {

using Clock = std::chrono::steady_clock;

std::string digits(std::uint64_t number) {
  const std::string text = to_hex_number(number);
  return std::string(16 - text.size(), '0') + text;
}

/// One broker at work. @return how many tasks it opened and ended.
unsigned work(Registry& registry, unsigned member, Clock::time_point end) {
  const BrokerRecord broker{make_broker_id(), registry.host(), ProcessIdentity::self()};
  registry.register_broker(broker, std::chrono::minutes(10));
  unsigned count = 0;
  for (; Clock::now() < end; ++count) {
    NewTask task;
    task.serial = digits((std::uint64_t{member} << 32U) + count);
    task.id = "a task of a benchmark";
    task.agent = "agent";
    task.broker = broker.id;
    task.deadline = 4'000'000'000;
    registry.open_task(task, GrantUse{{"boss", task.serial}, 4'000'000'000}, "bench");
    registry.move_task({task.serial, TaskState::closed, "done", "bench"});
  }
  return count;
}

/// @param watched  Whether each broker watches the registry, as those of `mayfly serve` do.
bool measure(const char* name, const RegistryPlace& place, unsigned brokers, bool watched,
             std::chrono::seconds length) {
  static_cast<void>(place.open());
  const Shared<std::atomic<unsigned>> counts(brokers);
  const bool well = ProcessTeam::play(brokers, 1, [&](unsigned member) {
    auto registry = std::shared_ptr<Registry>(place.open());
    return [&, member, registry](unsigned) {
      std::unique_ptr<Watch> watch;
      if (watched) watch = registry->watch();
      if (watch) static_cast<void>(watch->changed());
      counts[member] = work(*registry, member, Clock::now() + length);
    };
  });
  unsigned total = 0;
  for (unsigned member = 0; member < brokers; ++member) total += counts[member];
  std::printf("%-12s%-10u%-10s%10.0f\n", name, brokers, watched ? "yes" : "no",
              static_cast<double>(total) / static_cast<double>(length.count()));
  return well;
}

}  // namespace
}  // namespace mayfly::test

int main(int argc, char** argv) {
  using mayfly::test::Backend;
  const std::chrono::seconds length(argc > 1 ? std::max(1, std::atoi(argv[1])) : 2);
  mayfly::test::PostgresServer server(mayfly::test::PostgresServer::Disk::written);
  std::printf("%-12s%-10s%-10s%10s\n", "registry", "brokers", "watching", "tasks/s");
  bool well = true;
  for (const unsigned brokers : {1U, 4U}) {
    for (const bool watched : {false, true}) {
      const mayfly::test::RegistryPlace file(Backend::sqlite);
      well = mayfly::test::measure("SQLite", file, brokers, watched, length) && well;
    }
    const mayfly::test::RegistryPlace database(server.make_database());
    well = mayfly::test::measure("PostgreSQL", database, brokers, true, length) && well;
  }
  return well ? 0 : 1;
}
