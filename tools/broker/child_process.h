// Starting a program.
#pragma once

#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace mayfly::broker {

struct Program {
  std::string file;                      ///< looked for in $PATH if there is no slash in it
  std::vector<std::string> arguments;    ///< argv, the name first
  std::vector<std::string> environment;  ///< NAME=VALUE
};

[[nodiscard]] std::vector<std::string> environment_of_this_process();

/// Starts a program in a forked child.
///
/// @param prepare  Runs in the child before the program does. What it throws as std::system_error
///                 is thrown here. Where the caller has other threads, it must do no more than a
///                 signal handler may, as set_apart() does.
/// @return the child, in which the program runs.
/// @throws std::system_error with the reason for which the program can't be executed: ENOENT if
///         there is none. Nothing is left of the child then.
[[nodiscard]] pid_t spawn(const Program& program, const std::function<void()>& prepare);

/// For spawn(): sets the child apart. It is out of the terminal's reach, its standard streams up to
/// `last_silent` are /dev/null, no signal is blocked, and of other descriptors it has only `kept`.
/// @throws std::system_error
void set_apart(int last_silent, const std::vector<int>& kept);

/// Lets the kernel send this process a signal when its parent dies.
/// @throws std::system_error ESRCH if the parent is not `parent` any more.
void follow_parent(pid_t parent, int signal);

/// Whether a descriptor is closed in programs that are started. A closed one is ignored.
void set_close_on_exec(int descriptor, bool close) noexcept;

}  // namespace mayfly::broker
