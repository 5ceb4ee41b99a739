// C_SignInit and C_Sign with P-256, by one process and by eight at once: in process, through a
// task's own door, through p11-kit's client to a worker of mayfly, and through `p11-kit server`.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "bench/configuration.h"
#include "bench/signer.h"
#include "support/server_process.h"

namespace mayfly::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kManyClients = 8;

/// A way to the device. Its target is opened in the process that signs.
struct Way {
  std::string name;
  std::function<Target(int client)> open;
};

Target open_target(const char* module, const std::string& label, const std::string& pin = "") {
  Target target{"", load(module), 0, pin};
  initialize(target.functions);
  target.slot = find_slot(target.functions, label);
  return target;
}

/// A process that signs for a while when it is told to.
class Client {
 public:
  Client(const Way& way, int number, milliseconds time) {
    int in[2];
    int out[2];
    if (pipe(in) != 0 || pipe(out) != 0) throw std::runtime_error("no pipe");
    process_ = fork();
    if (process_ == 0) {
      const bool good = work(way, number, time, in[0], out[1]);
      _exit(good ? 0 : 1);  // the module's end is no part of what is measured
    }
    close(in[0]);
    close(out[1]);
    tell_ = in[1];
    hear_ = out[0];
    // One after the other: SoftHSM2 can't start in several processes at once.
    static_cast<void>(hear());
  }
  ~Client() {
    close(tell_);
    close(hear_);
    waitpid(process_, nullptr, 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void start() const {
    if (write(tell_, "s", 1) != 1) throw std::runtime_error("a client is gone");
  }
  /// Signatures a second.
  [[nodiscard]] double hear() const {
    double told = 0;
    if (read(hear_, &told, sizeof told) != static_cast<ssize_t>(sizeof told)) {
      throw std::runtime_error("a client ended without a word");
    }
    return told;
  }

 private:
  static bool work(const Way& way, int number, milliseconds time, int in, int out) {
    try {
      const Target target = way.open(number);
      Signer signer(target);
      for (int i = 0; i < 50; ++i) signer.sign();
      double told = 0;
      char byte = 0;
      if (write(out, &told, sizeof told) < 0 || read(in, &byte, 1) != 1) return false;
      const auto begin = steady_clock::now();
      auto now = begin;
      double count = 0;
      for (; now - begin < time; now = steady_clock::now()) {
        for (int i = 0; i < 20; ++i) signer.sign();
        count += 20;
      }
      told = count / std::chrono::duration<double>(now - begin).count();
      return write(out, &told, sizeof told) > 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", way.name.c_str(), error.what());
      return false;
    }
  }

  pid_t process_ = -1;
  int tell_ = -1;
  int hear_ = -1;
};

/// Signatures a second of so many processes together.
double measure(const Way& way, int clients, milliseconds time) {
  std::vector<std::unique_ptr<Client>> all;
  for (int i = 0; i < clients; ++i) all.push_back(std::make_unique<Client>(way, i, time));
  for (const auto& client : all) client->start();
  double sum = 0;
  for (const auto& client : all) sum += client->hear();
  return sum;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void run(int rounds, milliseconds time) {
  static constexpr const char* kTask = "bench-brokered";
  const test::SoftHsmToken token("mayfly-bench");
  setenv("MAYFLY_CONF", write_configuration(token).c_str(), 1);
  const std::string doors = "DOORS=";
  const test::ServerProcess broker(
      {MAYFLY_COMMAND, "run", "--task", kTask, "--", "sh", "-c",
       "echo " + doors + "$MAYFLY_SOCKET $P11_KIT_SERVER_ADDRESS; exec sleep 3600"},
      doors);
  const std::string address = "P11_KIT_SERVER_ADDRESS=";
  const test::ServerProcess server(
      {"p11-kit", "server", "-f", "-n", (token.folder() / "p11-kit.sock").string(), "--provider",
       token.module_path().string(), token.uri()},
      address);
  const std::size_t blank = broker.address().find(' ');
  const std::string pin(as_text(token.pin().view()));
  const Way ways[] = {
      {"in process",
       [](int client) {
         const std::string task = "bench-" + std::to_string(client);
         setenv("MAYFLY_TASK", task.c_str(), 1);
         return open_target(MAYFLY_MODULE, task);
       }},
      {"own door",
       [&](int) {
         setenv("MAYFLY_SOCKET", broker.address().substr(0, blank).c_str(), 1);
         return open_target(MAYFLY_MODULE, kTask);
       }},
      {"p11-kit's client, mayfly",
       [&](int) {
         setenv("P11_KIT_SERVER_ADDRESS", broker.address().substr(blank + 1).c_str(), 1);
         return open_target(MAYFLY_P11_KIT_CLIENT, kTask);
       }},
      {"p11-kit's client, p11-kit server",
       [&](int) {
         setenv("P11_KIT_SERVER_ADDRESS", server.address().c_str(), 1);
         return open_target(MAYFLY_P11_KIT_CLIENT, token.label(), pin);
       }},
  };
  std::map<std::pair<int, std::string>, std::vector<double>> rates;
  for (int round = 0; round < rounds; ++round) {
    for (const int clients : {1, kManyClients}) {
      for (const Way& way : ways) {
        rates[{clients, way.name}].push_back(measure(way, clients, time));
      }
    }
  }
  for (const int clients : {1, kManyClients}) {
    std::printf("processes: %d\n", clients);
    const double base = median(rates[{clients, ways[0].name}]);
    for (const Way& way : ways) {
      const double rate = median(rates[{clients, way.name}]);
      std::printf("  %-34s %8.0f signatures/s   time / in process = %.2f\n", way.name.c_str(), rate,
                  base / rate);
    }
  }
  double load[3] = {};
  const int loads = getloadavg(load, 3);
  std::printf("%ld cores, load average at the end %.1f, medians of %d rounds of %lld ms\n",
              sysconf(_SC_NPROCESSORS_ONLN), loads > 0 ? load[0] : -1.0, rounds,
              static_cast<long long>(time.count()));
}

}  // namespace
}  // namespace mayfly::bench

int main(int argc, char** argv) {
  try {
    mayfly::bench::run(argc > 1 ? std::atoi(argv[1]) : 5,
                       std::chrono::milliseconds(argc > 2 ? std::atoi(argv[2]) : 1000));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mayfly_process_bench: %s\n", error.what());
    return 1;
  }
}
