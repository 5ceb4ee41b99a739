#include "bench/command_counter.h"

#include <new>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace mayfly::bench {
namespace {

constexpr std::size_t kHeader = 10;  // tag, size, command or response code
constexpr std::size_t kMost = 4096;

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.size() >= sizeof address.sun_path) throw std::runtime_error("a socket's path is long");
  name.copy(address.sun_path, name.size());
  return address;
}

bool read_fully(int descriptor, std::uint8_t* to, std::size_t size) {
  while (size > 0) {
    const ssize_t got = read(descriptor, to, size);
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

/// One command or answer; empty at the end of the connection.
std::vector<std::uint8_t> read_message(int descriptor) {
  std::vector<std::uint8_t> message(kHeader);
  if (!read_fully(descriptor, message.data(), kHeader)) return {};
  std::size_t size = 0;
  for (std::size_t i = 2; i < 6; ++i) size = size << 8 | message[i];
  if (size < kHeader || size > kMost) return {};
  message.resize(size);
  if (!read_fully(descriptor, message.data() + kHeader, size - kHeader)) return {};
  return message;
}

bool write_message(int descriptor, const std::vector<std::uint8_t>& message) {
  return write(descriptor, message.data(), message.size()) == static_cast<ssize_t>(message.size());
}

}  // namespace

CommandCounter::CommandCounter(const std::string& tcti) : tpm_(tcti.substr(tcti.find('=') + 1)) {
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no shared memory");
  shared_ = new (memory) Shared;
  const auto path = folder_.path() / "tpm.sock";
  const sockaddr_un address = address_of(path);
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_, 8) != 0) {
    throw std::runtime_error("the counter can't listen");
  }
  std::filesystem::create_symlink(tpm_.string() + ".ctrl", path.string() + ".ctrl");
  thread_ = std::thread([this] { serve(); });
}

CommandCounter::~CommandCounter() {
  shutdown(listener_, SHUT_RDWR);  // accept() returns
  thread_.join();
  close(listener_);
  munmap(shared_, sizeof(Shared));
}

std::string CommandCounter::tcti() const {
  return "swtpm:path=" + (folder_.path() / "tpm.sock").string();
}

TpmTraffic CommandCounter::traffic() const noexcept {
  return {shared_->commands.load(), std::chrono::nanoseconds(shared_->in_tpm_ns.load())};
}

void CommandCounter::serve() {
  for (;;) {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    pass_on(client);
    close(client);
  }
}

void CommandCounter::pass_on(int client) {
  const sockaddr_un address = address_of(tpm_);
  const int tpm = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(tpm, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    for (auto command = read_message(client); !command.empty(); command = read_message(client)) {
      const auto start = std::chrono::steady_clock::now();
      if (!write_message(tpm, command)) break;
      const auto answer = read_message(tpm);
      const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
      // Counted before the client can know that its command is done.
      shared_->commands += 1;
      shared_->in_tpm_ns += took.count();
      if (answer.empty() || !write_message(client, answer)) break;
    }
  }
  close(tpm);
}

}  // namespace mayfly::bench
