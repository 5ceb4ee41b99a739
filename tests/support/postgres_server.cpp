#include "support/postgres_server.h"

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <pwd.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace mayfly::test {
namespace {

constexpr char kUser[] = "postgres";
constexpr char kPrograms[] = MAYFLY_POSTGRESQL_PROGRAMS "/";

/// The command, as the user that it has to run as.
std::vector<std::string> unprivileged(std::vector<std::string> command) {
  if (geteuid() != 0) return command;
  std::vector<std::string> words = {"setpriv", "--reuid",       kUser,         "--regid",
                                    kUser,     "--init-groups", "--pdeathsig", "QUIT"};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

pid_t launch(std::vector<std::string> words, const std::string& log) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGQUIT);  // a test that crashes leaves nothing behind
  const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(file, STDOUT_FILENO);
  dup2(file, STDERR_FILENO);
  if (chdir("/") == 0) execvp(pointers.front(), pointers.data());
  _exit(127);
}

bool succeeds(std::vector<std::string> words, const std::string& log) {
  int status = -1;
  waitpid(launch(std::move(words), log), &status, 0);
  return status == 0;
}

pid_t parent_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');
  return name_end == text.npos ? -1 : std::atoi(text.c_str() + name_end + 4);
}

}  // namespace

PostgresServer::PostgresServer(Disk disk) : disk_(disk), owner_(getpid()) {
  const std::string folder = folder_.path().string();
  if (geteuid() == 0) {
    const passwd* user = getpwnam(kUser);
    if (user == nullptr || chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0) {
      throw std::runtime_error("PostgreSQL can't be run as the user postgres");
    }
  }
  const std::string log = folder + "/initdb.log";
  if (!succeeds(
          unprivileged({std::string(kPrograms) + "initdb", "-D", folder + "/data", "-U", "mayfly",
                        "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"}),
          log)) {
    throw std::runtime_error("initdb failed: " + read_file(log));
  }
  start();
}

PostgresServer::~PostgresServer() {
  if (getpid() != owner_) return;  // a forked child: the parent's server is not its own
  if (number_ > 0) kill();
}

void PostgresServer::start() {
  const std::string folder = folder_.path().string();
  const std::string log = folder + "/server.log";
  number_ = launch(
      unprivileged({std::string(kPrograms) + "postgres", "-D", folder + "/data", "-k", folder, "-c",
                    "listen_addresses=", "-c", "shared_buffers=16MB", "-c", "max_connections=100",
                    "-c", std::string("fsync=") + (disk_ == Disk::written ? "on" : "off")}),
      log);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!succeeds({std::string(kPrograms) + "pg_isready", "-q", "-h", folder}, "/dev/null")) {
    if (waitpid(number_, nullptr, WNOHANG) != 0 || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("PostgreSQL does not start: " + read_file(log));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void PostgresServer::kill() {
  thaw();
  ::kill(number_, SIGQUIT);
  waitpid(number_, nullptr, 0);
  number_ = -1;
}

std::vector<pid_t> PostgresServer::processes() const {
  std::vector<pid_t> found = {number_};
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t process = std::atoi(entry.path().filename().c_str());
    if (process > 0 && parent_of(process) == number_) found.push_back(process);
  }
  return found;
}

void PostgresServer::freeze() const {
  ::kill(number_, SIGSTOP);  // first, so that there are no more of them
  for (const pid_t process : processes()) ::kill(process, SIGSTOP);
}

void PostgresServer::thaw() const {
  for (const pid_t process : processes()) ::kill(process, SIGCONT);
}

std::string PostgresServer::url(const std::string& database) const {
  return "postgresql:///" + database + "?user=mayfly&host=" + folder_.path().string();
}

std::string PostgresServer::make_database() {
  const std::string name = "test" + std::to_string(++databases_);
  if (!succeeds({std::string(kPrograms) + "createdb", "-h", folder_.path().string(), "-U", "mayfly",
                 name},
                "/dev/null")) {
    throw std::runtime_error("PostgreSQL makes no database");
  }
  return url(name);
}

}  // namespace mayfly::test
