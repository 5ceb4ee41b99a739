#include "device/tpm/swtpm_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "device/tpm/answer.h"

namespace mayfly::tpm {

SwtpmSocket::SwtpmSocket(std::string path) : path_(std::move(path)) {
  if (!connect() && errno != EAGAIN) {  // EAGAIN: it listens, and is busy
    throw Error(CKR_TOKEN_NOT_PRESENT, "the TPM can't be reached: nobody listens on the socket " +
                                           path_ + " (" + std::strerror(errno) +
                                           "); start swtpm, or mend tpm.tcti");
  }
  disconnect();
}

SwtpmSocket::~SwtpmSocket() { disconnect(); }

bool SwtpmSocket::connect() noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  std::copy(path_.begin(), path_.end(), address.sun_path);
  // Connecting would wait for ever when swtpm is stopped and its queue is full.
  socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) return false;
  return ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void SwtpmSocket::disconnect() noexcept {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

TSS2_RC SwtpmSocket::wait(short events, Deadline deadline) const noexcept {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return TSS2_TCTI_RC_TRY_AGAIN;
    pollfd wanted{socket_, events, 0};
    const int ready =
        ::poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 3'600'000)));
    if (ready > 0) return TSS2_RC_SUCCESS;
    if (ready < 0 && errno != EINTR) return TSS2_TCTI_RC_IO_ERROR;
  }
}

TSS2_RC SwtpmSocket::transmit(ByteView command, Deadline deadline) noexcept {
  disconnect();
  while (!connect()) {
    // The queue is full: another client's command is being worked on.
    if (errno != EAGAIN || std::chrono::steady_clock::now() >= deadline) {
      return errno == EAGAIN ? TSS2_TCTI_RC_TRY_AGAIN : TSS2_TCTI_RC_IO_ERROR;
    }
    disconnect();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // nothing can be waited on
  }
  while (!command.empty()) {
    const ssize_t written = ::send(socket_, command.data(), command.size(), MSG_NOSIGNAL);
    if (written > 0) {
      command = command.subspan(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      if (const TSS2_RC rc = wait(POLLOUT, deadline); rc != TSS2_RC_SUCCESS) return rc;
    } else if (errno != EINTR) {
      return TSS2_TCTI_RC_IO_ERROR;
    }
  }
  return TSS2_RC_SUCCESS;
}

TSS2_RC SwtpmSocket::read_exactly(ByteSpan out, Deadline deadline) noexcept {
  while (!out.empty()) {
    if (const TSS2_RC rc = wait(POLLIN, deadline); rc != TSS2_RC_SUCCESS) return rc;
    const ssize_t got = ::recv(socket_, out.data(), out.size(), 0);
    if (got > 0) {
      out = out.subspan(static_cast<std::size_t>(got));
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
      return TSS2_TCTI_RC_IO_ERROR;
    }
  }
  return TSS2_RC_SUCCESS;
}

TSS2_RC SwtpmSocket::receive(std::uint8_t* answer, std::size_t& size, Deadline deadline) noexcept {
  if (size < kAnswerHeader) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
  TSS2_RC rc = read_exactly({answer, kAnswerHeader}, deadline);
  if (rc == TSS2_RC_SUCCESS) {
    const std::size_t whole = answer_size({answer, kAnswerHeader});
    if (whole < kAnswerHeader || whole > size) {
      rc = TSS2_TCTI_RC_MALFORMED_RESPONSE;
    } else {
      rc = read_exactly({answer + kAnswerHeader, whole - kAnswerHeader}, deadline);
      size = whole;
    }
  }
  disconnect();
  return rc;
}

}  // namespace mayfly::tpm
