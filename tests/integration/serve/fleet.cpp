#include "integration/serve/fleet.h"

#include <array>
#include <list>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdexcept>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace mayfly::test {
namespace {

const std::string kSocketName = ".s.PGSQL.5432";
const std::string kHost = "host=";

Descriptor open_socket(const std::filesystem::path& path, bool listens) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  const bool done = listens ? bind(socket.number(), generic, sizeof address) == 0 &&
                                  listen(socket.number(), 64) == 0
                            : connect(socket.number(), generic, sizeof address) == 0;
  if (!done) throw std::runtime_error("no socket at " + path.string());
  return socket;
}

struct Pair {
  Descriptor client;
  Descriptor server;
};

/// Passes on what has come. False if it was the end.
bool pass_on(const Descriptor& from, const Descriptor& to) {
  std::array<char, 65'536> room;
  const ssize_t size = recv(from.number(), room.data(), room.size(), 0);
  return size > 0 &&
         send(to.number(), room.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) == size;
}

[[noreturn]] void relay(const Descriptor& listening, const std::filesystem::path& server) {
  std::list<Pair> pairs;
  while (true) {
    std::vector<pollfd> entries = {{listening.number(), POLLIN, 0}};
    for (const Pair& pair : pairs) {
      entries.push_back({pair.client.number(), POLLIN, 0});
      entries.push_back({pair.server.number(), POLLIN, 0});
    }
    poll(entries.data(), entries.size(), -1);
    std::size_t i = 1;
    for (auto pair = pairs.begin(); pair != pairs.end(); i += 2) {
      const bool lives = (entries[i].revents == 0 || pass_on(pair->client, pair->server)) &&
                         (entries[i + 1].revents == 0 || pass_on(pair->server, pair->client));
      pair = lives ? std::next(pair) : pairs.erase(pair);
    }
    if (entries[0].revents == 0) continue;
    try {
      Descriptor client(accept4(listening.number(), nullptr, nullptr, SOCK_CLOEXEC));
      pairs.push_back({std::move(client), open_socket(server, false)});
    } catch (const std::exception&) {  // the server is away
    }
  }
}

/// In the child: this process sees another machine-id(5) than the others.
void become_machine(const std::filesystem::path& machine_id) {
  if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount(machine_id.c_str(), "/etc/machine-id", nullptr, MS_BIND, nullptr) != 0) {
    _exit(97);
  }
}

}  // namespace

Relay::Relay(const std::string& url) {
  const std::size_t host = url.find(kHost) + kHost.size();
  const std::filesystem::path server = url.substr(host);
  url_ = url.substr(0, host) + folder_.path().string();
  const Descriptor listening = open_socket(folder_.path() / kSocketName, true);
  process_ = fork();
  if (process_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    relay(listening, server / kSocketName);
  }
}

Relay::~Relay() {
  ::kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

void Relay::cut() const { ::kill(process_, SIGSTOP); }
void Relay::heal() const { ::kill(process_, SIGCONT); }

FleetMember::FleetMember(const SoftHsmToken& token, const std::string& url, char machine) {
  machine_id_ = folder_.write("machine-id", std::string(32, machine) + "\n", 0644);
  folder_.write("mayfly.toml",
                "[device]\nmodule = \"" + SoftHsmToken::module_path().string() + "\"\ntoken = \"" +
                    token.uri() + "\"\npin-source = \"file:" + token.pin_file().string() +
                    "\"\nkeys = \"stored\"\nenv = { SOFTHSM2_CONF = \"" +
                    token.config_file().string() + "\" }\n[registry]\nurl = \"" + url +
                    "\"\nlease = \"" + std::to_string(kFleetLease.count()) +
                    "s\"\ntimeout = \"2s\"\n[log]\nfile = \"log\"\nlevel = \"info\"\n[broker]\n"
                    "runtime-folder = \"run\"\n[grants]\napprovers = \"approvers.json\"\naudience "
                    "= \"fleet\"\n" +
                    serve_table());
}

void FleetMember::start() {
  broker_ = std::make_unique<ServedBroker>(
      folder_.path(),
      ServedBroker::Options{.prepare = [this] { become_machine(machine_id_); }, .wait = true});
}

void FleetMember::kill() { broker_.reset(); }

}  // namespace mayfly::test
