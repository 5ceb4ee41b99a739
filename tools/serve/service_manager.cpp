#include "tools/serve/service_manager.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include "tools/broker/child_process.h"
#include "tools/failure.h"

namespace mayfly::serve {
namespace {

constexpr int kFirstSocket = 3;  // SD_LISTEN_FDS_START

/// A variable of the environment as a number; 0 for none.
std::uint64_t number_in(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return 0;
  const std::string_view text(value);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

/// Whether a variable names this process, or is not there.
bool is_for_us(const char* name) {
  const std::uint64_t process = number_in(name);
  return process == 0 || process == static_cast<std::uint64_t>(getpid());
}

int option_of(int socket, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

ServiceManager::ServiceManager() {
  if (const char* const address = std::getenv("NOTIFY_SOCKET")) address_ = address;
  if (number_in("LISTEN_PID") == static_cast<std::uint64_t>(getpid())) {
    sockets_ = static_cast<int>(number_in("LISTEN_FDS"));
  }
  if (const std::uint64_t time = number_in("WATCHDOG_USEC");
      time > 0 && is_for_us("WATCHDOG_PID")) {
    watchdog_ = std::chrono::microseconds(time) / 2;
  }
  for (const char* name : {"NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
                           "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    unsetenv(name);
  }
}

Descriptor ServiceManager::take_socket() {
  const int count = std::exchange(sockets_, 0);
  if (count == 0) return {};
  Descriptor socket(kFirstSocket);
  if (count > 1 || option_of(kFirstSocket, SO_DOMAIN) != AF_UNIX ||
      option_of(kFirstSocket, SO_TYPE) != SOCK_SEQPACKET ||
      option_of(kFirstSocket, SO_ACCEPTCONN) != 1) {
    throw tools::Failure(tools::kBadConfiguration,
                         "what the service manager passes is not one socket as mayfly serve needs "
                         "it; say ListenSequentialPacket= in the .socket unit, once");
  }
  broker::set_close_on_exec(kFirstSocket, true);
  fcntl(kFirstSocket, F_SETFL, fcntl(kFirstSocket, F_GETFL) | O_NONBLOCK);
  return socket;
}

void ServiceManager::tell(const std::string& news) const noexcept { send(news, 0); }

void ServiceManager::tell_alive() const noexcept { send("WATCHDOG=1", MSG_DONTWAIT); }

void ServiceManager::send(const std::string& news, int flags) const noexcept {
  sockaddr_un address{};
  if (address_.empty() || address_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  address_.copy(address.sun_path, sizeof address.sun_path - 1);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // of the abstract namespace
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const timeval patience{kPatience.count(), 0};
  setsockopt(socket.number(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sendto(socket.number(), news.data(), news.size(), MSG_NOSIGNAL | flags,
         reinterpret_cast<const sockaddr*>(&address), size);
}

}  // namespace mayfly::serve
