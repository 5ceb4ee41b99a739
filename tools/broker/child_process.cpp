#include "tools/broker/child_process.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/safeguard.h"

namespace mayfly::broker {
namespace {

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (const std::string& string : strings) result.push_back(const_cast<char*>(string.c_str()));
  result.push_back(nullptr);
  return result;
}

/// The child's part: becomes the program, or tells the parent why not.
[[noreturn]] void become(const char* file, char* const* arguments, char* const* environment,
                         const std::function<void()>& prepare, int report) {
  int reason = 0;
  try {
    prepare();
    execvpe(file, arguments, environment);
    reason = errno;
  } catch (const std::system_error& error) {
    reason = error.code().value();
  } catch (...) {
    reason = ENOMEM;
  }
  [[maybe_unused]] const ssize_t written = write(report, &reason, sizeof reason);
  _exit(127);
}

}  // namespace

std::vector<std::string> environment_of_this_process() {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) result.emplace_back(*entry);
  return result;
}

pid_t spawn(const Program& program, const std::function<void()>& prepare) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno("pipe");
  const Descriptor from_child(ends[0]);
  Descriptor to_parent(ends[1]);
  // Made here: another thread may have what a child would need for it.
  const std::vector<char*> arguments = pointers(program.arguments);
  const std::vector<char*> environment = pointers(program.environment);
  const pid_t child = fork();
  if (child < 0) throw_errno("fork");
  if (child == 0) {
    become(program.file.c_str(), arguments.data(), environment.data(), prepare, to_parent.number());
  }
  to_parent.reset();
  int reason = 0;
  ssize_t size = 0;
  do {
    size = read(from_child.number(), &reason, sizeof reason);
  } while (size < 0 && errno == EINTR);
  if (size == 0) return child;  // closed by the exec
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  throw std::system_error(size == sizeof reason ? reason : EIO, std::generic_category(), "exec");
}

void set_apart(int last_silent, const std::vector<int>& kept) {
  setsid();
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int stream = STDIN_FILENO; stream <= last_silent; ++stream) {
    if (null < 0 || dup2(null, stream) < 0) throw_errno("/dev/null");
  }
  if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0) throw_errno("close_range");
  for (const int descriptor : kept) set_close_on_exec(descriptor, false);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void follow_parent(pid_t parent, int signal) {
  if (kept(Safeguard::worker_follows) && prctl(PR_SET_PDEATHSIG, signal) != 0) throw_errno("prctl");
  // It may have died before the kernel knew of our wish.
  if (getppid() != parent) throw std::system_error(ESRCH, std::generic_category(), "parent");
}

void set_close_on_exec(int descriptor, bool close) noexcept {
  const int flags = fcntl(descriptor, F_GETFD);
  if (flags >= 0) {
    fcntl(descriptor, F_SETFD, close ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
  }
}

}  // namespace mayfly::broker
