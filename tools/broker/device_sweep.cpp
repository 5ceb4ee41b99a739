#include "tools/broker/device_sweep.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "tools/broker/child_process.h"

namespace mayfly::broker {
namespace {

/// Out of the terminal's reach, and silent: what it has to say, its exit status does.
void prepare() {
  setsid();
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (null < 0 || dup2(null, stream) < 0) {
      throw std::system_error(errno, std::generic_category(), "/dev/null");
    }
  }
  if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "close_range");
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

DeviceSweep::DeviceSweep(const Config& config)
    : number_(spawn({"/proc/self/exe",
                     {"mayfly", "reap", "--recorded", "--config", config.file.string()},
                     environment_of_this_process()},
                    prepare)) {}

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
