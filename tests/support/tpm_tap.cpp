#include "support/tpm_tap.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

namespace mayfly::test {
namespace {

constexpr std::string_view kPrefix = "swtpm:path=";
constexpr std::size_t kHeader = 10;  // tag, size, code

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error(path + " is too long");
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

std::uint32_t number_at(ByteView bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (const std::uint8_t byte : bytes.subspan(at, 4)) number = number << 8 | byte;
  return number;
}

bool receive(int socket, ByteSpan out) {
  if (out.empty()) return true;  // recv() would wait for a byte all the same
  return recv(socket, out.data(), out.size(), MSG_WAITALL) == static_cast<ssize_t>(out.size());
}

/// A whole command or answer; empty if the other side is gone.
Bytes receive_message(int socket) {
  Bytes message(kHeader);
  if (!receive(socket, message)) return {};
  message.resize(std::max<std::size_t>(kHeader, number_at(message, 2)));
  return receive(socket, ByteSpan(message).subspan(kHeader)) ? message : Bytes();
}

}  // namespace

TpmTap::TpmTap(const std::string& tcti)
    : tpm_(tcti.substr(kPrefix.size())), listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_un address = address_of(path());
  if (bind(listener_.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_.number(), SOMAXCONN) != 0) {
    throw std::runtime_error("no socket for the tap");
  }
  thread_ = std::thread([this] { serve(); });
}

TpmTap::~TpmTap() {
  shutdown(listener_.number(), SHUT_RDWR);
  thread_.join();
}

bool TpmTap::has_heard(ByteView bytes) const {
  const std::scoped_lock lock(mutex_);
  return std::ranges::search(heard_, bytes).begin() != heard_.end();
}

void TpmTap::forget() {
  const std::scoped_lock lock(mutex_);
  heard_.clear();
}

void TpmTap::change_answers(std::uint32_t command, std::function<void(Bytes&)> change) {
  const std::scoped_lock lock(mutex_);
  changed_command_ = command;
  change_ = std::move(change);
}

void TpmTap::serve() {
  while (true) {
    const Descriptor client(accept4(listener_.number(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    pass_on(client.number());
  }
}

/// One command and its answer: mayfly connects anew for each.
void TpmTap::pass_on(int client) {
  const Bytes command = receive_message(client);
  if (command.empty()) return;
  const Descriptor tpm(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(tpm_);
  if (connect(tpm.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return;
  send(tpm.number(), command.data(), command.size(), MSG_NOSIGNAL);
  Bytes answer = receive_message(tpm.number());
  {
    const std::scoped_lock lock(mutex_);
    heard_.insert(heard_.end(), command.begin(), command.end());
    heard_.insert(heard_.end(), answer.begin(), answer.end());
    if (change_ && number_at(command, 6) == changed_command_) change_(answer);
  }
  send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
}

}  // namespace mayfly::test
