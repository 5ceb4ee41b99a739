#include "base/program_run.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "base/bounded_read.h"
#include "base/descriptor.h"
#include "base/error.h"

namespace mayfly {
namespace {

using std::chrono::steady_clock;

class FileActions {
 public:
  /// @param standard_input  -1 for /dev/null. Neither may be one of the three standard streams.
  FileActions(int standard_input, int standard_output) {
    posix_spawn_file_actions_init(&actions_);
    const int input_failed =
        standard_input < 0
            ? posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
            : posix_spawn_file_actions_adddup2(&actions_, standard_input, STDIN_FILENO);
    failed_ = input_failed != 0 ||
              posix_spawn_file_actions_adddup2(&actions_, standard_output, STDOUT_FILENO) != 0 ||
              posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1) != 0;
  }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
  bool failed_ = false;
};

/// A process group of its own, and none of the host's blocked or ignored signals.
class Attributes {
 public:
  Attributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    failed_ =
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                   POSIX_SPAWN_SETSIGDEF) != 0 ||
        posix_spawnattr_setsigmask(&attributes_, &none) != 0 ||
        posix_spawnattr_setsigdefault(&attributes_, &all) != 0;
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;

  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] const posix_spawnattr_t* get() const noexcept { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
  bool failed_ = false;
};

/// The running program. Killed with its whole group unless it was waited for.
class Child {
 public:
  Child(const std::vector<std::string>& arguments, int standard_input, int standard_output);
  ~Child() { kill_group(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Waits for the end. @return the wait status.
  /// @throws std::system_error ETIMEDOUT at the deadline, ECHILD when the host has reaped it.
  int wait(steady_clock::time_point deadline);

 private:
  void kill_group() noexcept;

  pid_t pid_ = -1;  // -1 once it was reaped
};

Child::Child(const std::vector<std::string>& arguments, int standard_input, int standard_output) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const FileActions actions(standard_input, standard_output);
  const Attributes attributes;
  if (actions.failed() || attributes.failed()) {
    throw std::system_error(ENOMEM, std::generic_category());
  }
  const int error =
      posix_spawn(&pid_, argv[0], actions.get(), attributes.get(), argv.data(), environ);
  if (error != 0) {
    pid_ = -1;
    throw std::system_error(error, std::generic_category());
  }
}

int Child::wait(steady_clock::time_point deadline) {
  static constexpr int kNapMilliseconds = 2;
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) {
      pid_ = -1;
      return status;
    }
    if (ended < 0 && errno != EINTR) {
      const int error = errno;
      pid_ = -1;  // not ours any more: its number may already be somebody else's
      throw std::system_error(error, std::generic_category());
    }
    if (steady_clock::now() >= deadline) {
      throw std::system_error(ETIMEDOUT, std::generic_category());
    }
    poll(nullptr, 0, kNapMilliseconds);
  }
}

void Child::kill_group() noexcept {
  // The number is ours only as long as nobody has reaped the child.
  siginfo_t unused{};
  if (pid_ < 0 ||
      waitid(P_PID, static_cast<id_t>(pid_), &unused, WEXITED | WNOHANG | WNOWAIT) != 0) {
    return;
  }
  kill(-pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

[[noreturn]] void fail(const ProgramRun& program, const std::string& problem) {
  throw Error(CKR_GENERAL_ERROR, program.what + " " + program.arguments[0] + " " + problem);
}

/// A descriptor that is none of the three standard streams, which the host may have closed.
Descriptor above_streams(int descriptor) {
  Descriptor low(descriptor);
  if (descriptor > STDERR_FILENO) return low;
  Descriptor high(fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!high) throw std::system_error(errno, std::generic_category());
  return high;
}

/// A file in memory with the input.
Descriptor input_file(std::string_view input) {
  if (input.empty()) return {};
  Descriptor file = above_streams(memfd_create("input", MFD_CLOEXEC));
  std::size_t written = 0;
  while (written < input.size()) {
    const ssize_t size = pwrite(file.number(), input.data() + written, input.size() - written,
                                static_cast<off_t>(written));
    if (size < 0) throw std::system_error(errno, std::generic_category());
    written += static_cast<std::size_t>(size);
  }
  return file;
}

std::size_t run(const ProgramRun& program, ByteSpan room, steady_clock::time_point deadline) {
  const Descriptor given = input_file(program.input);
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category());
  const Descriptor output(ends[0]);
  Descriptor input = above_streams(ends[1]);
  Child child(program.arguments, given.number(), input.number());
  input.reset();
  const std::size_t size = read_to_end(output.number(), room, deadline);
  if (size == room.size()) {
    fail(program, "writes too much; it must write " + program.must_write + " only");
  }
  const int status = child.wait(deadline);
  if (WIFSIGNALED(status)) {
    fail(program,
         "was ended by signal " + std::to_string(WTERMSIG(status)) + "; run it by hand to see why");
  }
  if (WEXITSTATUS(status) != 0) {
    fail(program, "ended with exit status " + std::to_string(WEXITSTATUS(status)) +
                      "; run it by hand to see why");
  }
  return size;
}

}  // namespace

std::size_t run_program(const ProgramRun& program, ByteSpan room) {
  try {
    return run(program, room, steady_clock::now() + program.time_limit);
  } catch (const std::system_error& error) {
    const int reason = error.code().value();
    if (reason == ETIMEDOUT) {
      fail(program, "was not done after " + std::to_string(program.time_limit.count()) +
                        " ms; run it by hand to see what it waits for");
    }
    if (reason == ECHILD) {
      fail(program,
           "has an unknown exit status, because this process ignores SIGCHLD or waits for all "
           "children; do without the command there");
    }
    fail(program, std::string("can't be run: ") + std::strerror(reason) +
                      "; check its path and permissions");
  }
}

std::vector<std::string> split_at_spaces(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

}  // namespace mayfly
