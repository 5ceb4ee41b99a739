#include "integration/serve/served_broker.h"

#include <fcntl.h>
#include <fstream>
#include <linux/close_range.h>
#include <signal.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/descriptor.h"

namespace mayfly::test {
namespace {

constexpr std::chrono::seconds kMostTime{60};

[[noreturn]] void become(std::vector<std::string> arguments, const std::string& output,
                         const std::string& errors, const std::function<void()>& prepare) {
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  dup2(open(output.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), STDOUT_FILENO);
  dup2(open(errors.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), STDERR_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  unsetenv("SOFTHSM2_CONF");  // of the test's own
  prepare();
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  execv(pointers[0], pointers.data());
  _exit(99);
}

bool answers(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  return connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::vector<std::string> as_user(uid_t user, std::vector<std::string> command) {
  if (user == geteuid()) return command;
  const std::string number = std::to_string(user);
  command.insert(command.begin(),
                 {"/usr/bin/setpriv", "--reuid", number, "--regid", number, "--clear-groups"});
  return command;
}

}  // namespace

std::string serve_table(const std::string& more) {
  return "[serve]\nsocket = \"control\"\n" + more;
}

std::filesystem::path OpenedTask::socket() const {
  return std::filesystem::path(door).parent_path() / "socket";
}

OpenedTask read_opened(const nlohmann::json& answer) {
  return {answer.at("task"), answer.at("serial"), answer.at("door"), answer.at("p11_kit_address")};
}

ServedBroker::ServedBroker(std::filesystem::path folder, const Options& options)
    : home_(std::move(folder)) {
  // Others may know of what is in it, who know its name.
  std::filesystem::permissions(home_, std::filesystem::perms(0711));
  process_ = fork();
  if (process_ == 0) {
    become({MAYFLY_PROGRAM, "serve", "--config", (home_ / "mayfly.toml").string()},
           folder_.path() / "output", folder_.path() / "errors", options.prepare);
  }
  if (options.wait) {
    EXPECT_TRUE(eventually([&] { return answers(socket()); })) << errors();
  }
}

ServedBroker::~ServedBroker() {
  if (process_ < 0) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

std::vector<pid_t> ServedBroker::children() const {
  std::vector<pid_t> found;
  const std::string number = std::to_string(process_);
  std::ifstream file("/proc/" + number + "/task/" + number + "/children");
  for (pid_t child = 0; file >> child;) found.push_back(child);
  return found;
}

void ServedBroker::send(int signal) const { kill(process_, signal); }

std::optional<int> ServedBroker::wait() {
  int status = 0;
  if (!eventually([&] { return waitpid(process_, &status, WNOHANG) == process_; }, kMostTime)) {
    return std::nullopt;
  }
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::optional<int> ServedBroker::stop() {
  send(SIGTERM);
  return wait();
}

Outcome ServedBroker::mayfly(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), MAYFLY_PROGRAM);
  arguments.insert(arguments.end(), {"--config", (home_ / "mayfly.toml").string()});
  return run(arguments);
}

Outcome ServedBroker::mayfly_as(uid_t user, std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), MAYFLY_PROGRAM);
  arguments.insert(arguments.end(), {"--socket", socket().string()});
  return run(as_user(user, arguments), {{"HOME", std::nullopt}, {"MAYFLY_CONF", std::nullopt}});
}

nlohmann::json ServedBroker::ask(std::vector<std::string> arguments, int status) const {
  arguments.emplace_back("--json");
  const Outcome outcome = mayfly(arguments);
  EXPECT_EQ(outcome.status, status) << outcome.err << errors();
  return nlohmann::json::parse(outcome.out);
}

OpenedTask ServedBroker::open(const std::string& id, const std::vector<std::string>& more) const {
  std::vector<std::string> arguments = {"open", "--task", id};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return read_opened(ask(arguments));
}

std::map<std::string, std::string> ServedBroker::list() const {
  std::map<std::string, std::string> states;
  for (const auto& task : ask({"list"})) states[task.at("task")] = task.at("state");
  return states;
}

Outcome ServedBroker::client(const OpenedTask& task, const std::string& action, uid_t user) {
  return run(as_user(user, {MAYFLY_TEST_CLIENT, MAYFLY_P11KIT_MODULES "/p11-kit-client.so", task.id,
                            action}),
             {{"P11_KIT_SERVER_ADDRESS", task.p11kit_address}});
}

Outcome ServedBroker::agent(const OpenedTask& task, const std::string& action) {
  return run({MAYFLY_TEST_CLIENT, MAYFLY_MODULE, task.id, action}, {{"MAYFLY_SOCKET", task.door}});
}

HoldingClient::HoldingClient(const OpenedTask& task, const std::vector<std::string>& doing) {
  std::vector<std::string> words = {MAYFLY_TEST_CLIENT, MAYFLY_P11KIT_MODULES "/p11-kit-client.so",
                                    task.id};
  words.insert(words.end(), doing.begin(), doing.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  const Descriptor output(ends[0]);
  Descriptor input(ends[1]);
  process_ = fork();
  if (process_ == 0) {
    dup2(input.number(), STDOUT_FILENO);
    setenv("P11_KIT_SERVER_ADDRESS", task.p11kit_address.c_str(), 1);
    execv(MAYFLY_TEST_CLIENT, arguments.data());
    _exit(99);
  }
  input.reset();
  char buffer[16] = {};
  EXPECT_GT(read(output.number(), buffer, sizeof buffer - 1), 0);
  EXPECT_STREQ(buffer, "holding\n");
}

HoldingClient::~HoldingClient() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

}  // namespace mayfly::test
