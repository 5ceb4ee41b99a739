// `mayfly serve`: tasks opened a second, memory of an idle task, signatures and ends beside many
// open tasks.
//
//   mayfly_serve_bench [TASKS [SIGNATURES]]    10000 tasks and 20000 signatures without them
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "integration/serve/listed_broker.h"
#include "support/postgres_server.h"
#include "tools/serve/control_client.h"

namespace mayfly::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kClients = 4;

/// Opens tasks by several clients at once. @return how long that took, in seconds.
double open_tasks(const ServedBroker& broker, unsigned count, const std::string& prefix) {
  std::atomic<unsigned> next{0};
  std::atomic<bool> well{true};
  const auto start = Clock::now();
  std::vector<std::thread> clients;
  for (unsigned i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      try {
        auto client = serve::ControlClient::connect(broker.socket());
        serve::ControlRequest request;
        request.verb = serve::Verb::open;
        for (unsigned task = 0; (task = next++) < count;) {
          request.task = prefix + std::to_string(task);
          request.ttl = std::chrono::hours(1);
          static_cast<void>(client.value().ask(request));
        }
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        well = false;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  if (!well) std::exit(1);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The broker's memory, and the kernel's of all processes for small things, in bytes.
std::pair<double, double> memory(const ServedBroker& broker) {
  std::ifstream statm("/proc/" + std::to_string(broker.process()) + "/statm");
  double pages = 0;
  statm >> pages >> pages;
  std::ifstream meminfo("/proc/meminfo");
  std::string word;
  double slab = 0;
  while (meminfo >> word) {
    if (word == "Slab:") meminfo >> slab;
  }
  return {pages * 4096, slab * 1024};
}

double microseconds_of_a_signature(const OpenedTask& task, unsigned signatures) {
  const std::string count = std::to_string(signatures);
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const Outcome outcome = run({MAYFLY_TEST_CLIENT, MAYFLY_MODULE, task.id, "time", count},
                                {{"MAYFLY_SOCKET", task.door}});
    best = std::min(best, std::atof(outcome.out.c_str()));
  }
  return best;
}

double median_ms(std::vector<double> seconds) {
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2] * 1000;
}

/// How long others wait for the end of one task among many, where a status list is kept.
void measure_closes(unsigned most) {
  const ListedHome home("[limits]\ntasks = " + std::to_string(most + 10) + "\n");
  const ServedBroker broker(home);
  unsigned open = 0;
  for (const unsigned wanted : {10U, most - 1}) {
    if (wanted > open) open_tasks(broker, wanted - open, "of " + std::to_string(wanted) + " ");
    open = wanted;
    auto client = serve::ControlClient::connect(broker.socket());
    std::vector<double> taken;
    for (int i = 0; i < 20; ++i) {
      serve::ControlRequest request;
      request.verb = serve::Verb::open;
      request.task = "ends";
      request.ttl = std::chrono::hours(1);
      static_cast<void>(client.value().ask(request));
      request.ttl.reset();
      request.verb = serve::Verb::close;
      const auto start = Clock::now();
      static_cast<void>(client.value().ask(request));
      taken.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    std::printf("closing one, %8u open tasks%34.1f ms\n", open, median_ms(taken));
  }
}

void measure_openings(const char* name, const std::string& registry, unsigned count) {
  const BrokerHome home(serve_table() + registry);
  const ServedBroker broker(home);
  const double taken = open_tasks(broker, count, "task ");
  std::printf("openings, %-12s%8u tasks by %u clients%12.0f tasks/s\n", name, count, kClients,
              count / taken);
}

void measure_many(unsigned most, unsigned signatures) {
  const BrokerHome home(serve_table() + "[limits]\ntasks = " + std::to_string(most + 10) + "\n");
  const ServedBroker broker(home);
  const OpenedTask task = broker.open("signing");
  unsigned open = 1;
  const auto [own_before, kernel_before] = memory(broker);
  for (const unsigned wanted : {1U, std::min(1'000U, most), most}) {
    if (wanted > open) {
      open_tasks(broker, wanted - open, "task of " + std::to_string(wanted) + " ");
      open = wanted;
    }
    std::printf("one signature, %8u open tasks%32.1f us\n", open,
                microseconds_of_a_signature(task, signatures));
  }
  const auto [own, kernel] = memory(broker);
  std::printf("an idle task of %8u%26.1f KiB, and %.1f KiB of the kernel's\n", open,
              (own - own_before) / (open - 1) / 1024, (kernel - kernel_before) / (open - 1) / 1024);
}

}  // namespace
}  // namespace mayfly::test

int main(int argc, char** argv) {
  using namespace mayfly::test;
  const auto number = [&](int index, unsigned otherwise) {
    return argc > index ? static_cast<unsigned>(std::max(2, std::atoi(argv[index]))) : otherwise;
  };
  const unsigned tasks = number(1, 10'000);
  const unsigned signatures = number(2, 20'000);
  PostgresServer server(PostgresServer::Disk::written);
  const unsigned opened = std::min(tasks, 2'000U);
  measure_openings("no registry", "", opened);
  measure_openings("SQLite", "[registry]\nfile = \"registry.db\"\n", opened);
  measure_openings("PostgreSQL", "[registry]\nurl = \"" + server.make_database() + "\"\n", opened);
  measure_many(tasks, signatures);
  measure_closes(tasks);
  return 0;
}
