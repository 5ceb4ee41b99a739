#include "tools/broker/device_sweep.h"

#include <cerrno>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "tools/broker/child_process.h"

namespace mayfly::broker {
namespace {

Program reap_program(const Config& config, const std::string& broker) {
  Program program{"/proc/self/exe",
                  {"mayfly", "reap", "--recorded", "--config", config.file.string()},
                  environment_of_this_process()};
  if (!broker.empty()) program.arguments.insert(program.arguments.end(), {"--broker", broker});
  return program;
}

}  // namespace

DeviceSweep::DeviceSweep(const Config& config, const std::string& broker)
    : number_(spawn(reap_program(config, broker), [] { set_apart(STDERR_FILENO, {}); })) {
}  // its exit status says all

DeviceSweep::~DeviceSweep() {
  if (number_ < 0) return;
  kill(number_, SIGKILL);
  while (waitpid(number_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void DeviceSweep::has_ended(int wait_status) noexcept {
  number_ = -1;
  wait_status_ = wait_status;
}

void DeviceSweep::wait(std::chrono::milliseconds timeout) noexcept {
  static constexpr std::chrono::milliseconds kPause{10};
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  int status = 0;
  while (number_ > 0 && std::chrono::steady_clock::now() < deadline) {
    if (waitpid(number_, &status, WNOHANG) == number_) {
      has_ended(status);
    } else {
      std::this_thread::sleep_for(kPause);
    }
  }
}

}  // namespace mayfly::broker
