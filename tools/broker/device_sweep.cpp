#include "tools/broker/device_sweep.h"

#include <cerrno>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "tools/broker/child_process.h"

namespace mayfly::broker {
DeviceSweep::DeviceSweep(const Config& config)
    : number_(spawn({"/proc/self/exe",
                     {"mayfly", "reap", "--recorded", "--config", config.file.string()},
                     environment_of_this_process()},
                    [] { set_apart(STDERR_FILENO, {}); })) {}  // its exit status says all

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
