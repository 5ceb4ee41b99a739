#include "integration/tools/command.h"

#include <chrono>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace mayfly::test {
namespace {

using std::chrono::steady_clock;

struct Pipe {
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    output.reset(ends[0]);
    input.reset(ends[1]);
  }
  Descriptor output;
  Descriptor input;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

std::vector<std::string> changed_environment(const Environment& changes) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable(*entry);
    if (!changes.contains(variable.substr(0, variable.find('=')))) variables.push_back(variable);
  }
  for (const auto& [name, value] : changes) {
    if (value) variables.push_back(name + "=" + *value);
  }
  return variables;
}

pid_t start(const std::vector<std::string>& arguments, const Environment& changes,
            int closed_stream, const Pipe& out, const Pipe& err) {
  std::vector<std::string> argument_texts = arguments;
  std::vector<std::string> variable_texts = changed_environment(changes);
  const std::vector<char*> argv = pointers(argument_texts);
  const std::vector<char*> envp = pointers(variable_texts);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.input.number(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.input.number(), STDERR_FILENO);
  if (closed_stream != 0) posix_spawn_file_actions_addclose(&actions, closed_stream);
  pid_t child = -1;
  const int error = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("can't run " + arguments[0]);
  return child;
}

/// Reads both pipes to their ends.
void collect(const Pipe& out, const Pipe& err, Outcome& outcome,
             steady_clock::time_point deadline) {
  struct Stream {
    int descriptor;
    std::string* text;
  };
  std::vector<Stream> open = {{out.output.number(), &outcome.out},
                              {err.output.number(), &outcome.err}};
  while (!open.empty()) {
    std::vector<pollfd> items;
    for (const Stream& stream : open) items.push_back({stream.descriptor, POLLIN, 0});
    if (steady_clock::now() > deadline) throw std::runtime_error("the program hangs");
    if (poll(items.data(), items.size(), 1000) <= 0) continue;
    for (std::size_t i = items.size(); i-- > 0;) {
      if (items[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t got = read(open[i].descriptor, buffer, sizeof buffer);
      if (got > 0) {
        open[i].text->append(buffer, static_cast<std::size_t>(got));
      } else {
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
}

}  // namespace

Outcome run(const std::vector<std::string>& arguments, const Environment& changes,
            int closed_stream) {
  Pipe out;
  Pipe err;
  const pid_t child = start(arguments, changes, closed_stream, out, err);
  out.input.reset();
  err.input.reset();
  Outcome outcome;
  try {
    collect(out, err, outcome, steady_clock::now() + std::chrono::minutes(2));
  } catch (...) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    throw;
  }
  int status = 0;
  waitpid(child, &status, 0);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return outcome;
}

}  // namespace mayfly::test
