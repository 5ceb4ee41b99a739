#include "integration/tools/canned_http.h"

#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace mayfly::test {

CannedHttp::CannedHttp() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  auto* const address = reinterpret_cast<sockaddr*>(&where);
  if (bind(socket_.number(), address, size) != 0 || listen(socket_.number(), 16) != 0 ||
      getsockname(socket_.number(), address, &size) != 0) {
    throw std::runtime_error("no port");
  }
  port_ = ntohs(where.sin_port);
  thread_ = std::thread([this] { work(); });
}

CannedHttp::~CannedHttp() {
  ::shutdown(socket_.number(), SHUT_RDWR);  // which ends the accept()
  thread_.join();
}

std::string CannedHttp::uri(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

void CannedHttp::answer(const std::string& path, const std::string& bytes,
                        const std::string& repeated) {
  const std::scoped_lock lock(mutex_);
  answers_[path] = {bytes, repeated};
}

void CannedHttp::serve(const std::string& path, const std::string& body) {
  answer(path, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                   "\r\nConnection: close\r\n\r\n" + body);
}

std::vector<std::string> CannedHttp::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

void CannedHttp::work() {
  while (true) {
    const Descriptor client(accept4(socket_.number(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    speak(client.number());
  }
}

void CannedHttp::speak(int client) {
  std::string head;
  char buffer[4096];
  while (head.find("\r\n\r\n") == head.npos) {
    const ssize_t size = recv(client, buffer, sizeof buffer, 0);
    if (size <= 0) return;
    head.append(buffer, static_cast<std::size_t>(size));
  }
  Answer answer;
  {
    const std::scoped_lock lock(mutex_);
    requests_.push_back(head);
    const std::size_t begin = head.find(' ') + 1;
    const auto found = answers_.find(head.substr(begin, head.find(' ', begin) - begin));
    if (found != answers_.end()) answer = found->second;
  }
  const auto send_all = [&](const std::string& bytes) {
    return send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  };
  bool goes_on = send_all(answer.bytes);
  while (goes_on && !answer.repeated.empty()) goes_on = send_all(answer.repeated);
  if (answer.bytes.empty()) {
    while (recv(client, buffer, sizeof buffer, 0) > 0) {
    }
  }
}

}  // namespace mayfly::test
