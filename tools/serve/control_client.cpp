#include "tools/serve/control_client.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/json_reader.h"
#include "tools/failure.h"

namespace mayfly::serve {
namespace {

using nlohmann::json;

// In seconds. Before a task is opened, a person may be asked.
constexpr time_t kPatience = 660;

[[noreturn]] void give_up(const char* what) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    throw tools::Failure(tools::kTryAgain, "the broker does not answer in time");
  }
  if (errno == EPIPE || errno == ECONNRESET || errno == 0) {
    throw tools::Failure(tools::kTryAgain,
                         "the broker has hung up; its log says why: it may have too many "
                         "connections, or may have been ended");
  }
  throw tools::Failure(tools::kInternal, std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

std::optional<ControlClient> ControlClient::connect(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.string().size() >= sizeof address.sun_path) return std::nullopt;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const timeval patience{kPatience, 0};
  if (!socket ||
      setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      setsockopt(socket.number(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) {
    give_up("socket");
  }
  if (::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
      0) {
    return ControlClient(std::move(socket));
  }
  if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) return std::nullopt;
  throw tools::Failure(tools::kCannotWrite, path.string() + ": " + std::strerror(errno));
}

json ControlClient::ask(const ControlRequest& request) {
  const std::string text = request.text();
  errno = 0;
  if (text.size() > kMostRequest) {
    throw tools::Failure(tools::kUsage, "what is asked for is too long");
  }
  if (send(socket_.number(), text.data(), text.size(), MSG_NOSIGNAL) < 0) give_up("send");
  std::string answer(kMostAnswer, '\0');
  ssize_t size = 0;
  do {
    errno = 0;
    size = recv(socket_.number(), answer.data(), answer.size(), MSG_TRUNC);
  } while (size < 0 && errno == EINTR);
  if (size <= 0) give_up("recv");
  if (static_cast<std::size_t>(size) > answer.size()) {
    throw tools::Failure(tools::kInternal, "the broker's answer is too long");
  }
  answer.resize(static_cast<std::size_t>(size));
  try {
    json parsed = parse_json(answer, kMostAnswer);
    const int status = parsed.at("status").get<int>();
    if (!parsed.contains("error")) return parsed;
    throw tools::Failure(static_cast<tools::ExitStatus>(status),
                         parsed.at("error").get<std::string>());
  } catch (const json::exception&) {
  } catch (const JsonError&) {
  }
  throw tools::Failure(tools::kInternal, "the broker's answer makes no sense");
}

}  // namespace mayfly::serve
