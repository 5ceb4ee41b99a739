#include "fuzz/remote_client.h"

#include <algorithm>
#include <array>
#include <sys/socket.h>

#include "fuzz/await.h"
#include "fuzz/finding.h"
#include "fuzz/input.h"

namespace mayfly::test {
namespace {

constexpr std::size_t kHeaderSize = 12;
constexpr std::size_t kHandleSize = 8;
constexpr std::uint64_t kPlaceholder = 0xa5a5'a5a5'a5a5'a500;  // the last byte says which one
constexpr std::string_view kOptions = "client";

// The calls whose answers tell of handles, by p11-kit's numbers.
constexpr std::uint64_t kTelling[] = {4, 10, 20, 21, 27, 59};

void put(Bytes& bytes, std::uint64_t number, std::size_t width) {
  for (std::size_t i = width; i > 0; --i) {
    bytes.push_back(static_cast<std::uint8_t>(number >> (8 * (i - 1))));
  }
}

}  // namespace

bool RemoteClient::send_all(ByteView bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

std::size_t RemoteClient::receive_some(ByteSpan room) const {
  std::array<pollfd, 2> entries{{{socket_, POLLIN, 0}, {ended_, POLLIN, 0}}};
  require(await(entries), "a server answers, or ends the connection");
  const ssize_t got = recv(socket_, room.data(), room.size(), MSG_DONTWAIT);
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

std::optional<Bytes> RemoteClient::receive(std::size_t size) const {
  static constexpr std::size_t kMostAtOnce = std::size_t{1} << 24;
  if (size > kMostAtOnce) return std::nullopt;
  Bytes bytes(size);
  for (std::size_t at = 0; at < size;) {
    const std::size_t got = receive_some(ByteSpan(bytes).subspan(at));
    if (got == 0) return std::nullopt;
    at += got;
  }
  return bytes;
}

void RemoteClient::send_raw(ByteView bytes) {
  if (!send_all(bytes)) return;
  shutdown(socket_, SHUT_WR);
  Bytes dropped(65'536);
  while (receive_some(dropped) > 0) {
  }
}

bool RemoteClient::greet() {
  static constexpr std::uint8_t kVersion[] = {0};
  return send_all(kVersion) && receive(1).has_value();
}

bool RemoteClient::call(ByteView body) {
  const Bytes content = with_handles(body);
  Bytes message;
  put(message, serial_++, 4);
  put(message, kOptions.size(), 4);
  put(message, content.size(), 4);
  message.insert(message.end(), kOptions.begin(), kOptions.end());
  message.insert(message.end(), content.begin(), content.end());
  if (!send_all(message)) return false;
  const auto header = receive(kHeaderSize);
  if (!header) return false;
  Input sizes(header->data() + 4, header->size() - 4);
  const std::size_t options = sizes.number(4);
  const auto answer = receive(options + sizes.number(4));
  if (!answer) return false;
  learn(ByteView(*answer).subspan(options));
  return true;
}

Bytes RemoteClient::with_handles(ByteView body) const {
  Bytes result = to_bytes(body);
  for (std::size_t at = 0; !handles_.empty() && at + kHandleSize <= result.size(); ++at) {
    const std::uint64_t word = Input(&result[at], kHandleSize).number(kHandleSize);
    if ((word & ~std::uint64_t{0xff}) != kPlaceholder) continue;
    Bytes handle;
    put(handle, handles_[(word & 0xff) % handles_.size()], kHandleSize);
    std::ranges::copy(handle, result.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return result;
}

void RemoteClient::learn(ByteView answer) {
  Input input(answer.data(), answer.size());
  const std::uint64_t call = input.number(4);
  const std::string_view form = as_text(input.piece(input.number(4)));
  if (!std::ranges::count(kTelling, call)) return;
  std::size_t count = form.size();  // "u" or "uu"; "au" is a list
  if (form == "au") {
    if (input.byte() == 0) return;
    count = input.number(4);
  }
  for (std::size_t i = 0; i < count && !input.empty(); ++i) {
    const std::uint64_t handle = input.number(kHandleSize);
    if (!std::ranges::count(handles_, handle)) handles_.push_back(handle);
  }
}

}  // namespace mayfly::test
