#include "tools/broker/p11kit_door.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <sys/socket.h>

#include "api/connection_frontend.h"
#include "api/function_lists.h"
#include "base/eager_wait.h"
#include "base/error.h"
#include "base/limited_log.h"
#include "base/secret.h"
#include "tools/broker/rpc_calls.h"

namespace mayfly::broker {
namespace {

constexpr std::uint8_t kVersion = 0;
constexpr std::size_t kHeaderSize = 12;  // a number of the client's, two lengths
constexpr std::size_t kUsualSize = 8 * 1024;
constexpr std::uint32_t kErrorCall = 0;

constinit log::LimitedLog refusals;

/// The client has hung up between two messages.
struct HungUp {};

/// Inbox holds what has come of a socket and is not used yet. Nothing that was in it stays in
/// memory, since any of it may have been a PIN.
class Inbox {
 public:
  explicit Inbox(int socket) : socket_(socket), buffer_(kUsualSize) {}
  ~Inbox() { zeroise(buffer_); }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  /// The next bytes, waiting for them. They stay until drop().
  /// @throws HungUp, MalformedMessage, std::bad_alloc
  ByteSpan peek(std::size_t size) {
    while (end_ - begin_ < size) receive(size);
    return ByteSpan(buffer_).subspan(begin_, size);
  }

  void drop(std::size_t size) noexcept {
    zeroise(ByteSpan(buffer_).subspan(begin_, size));
    begin_ += size;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (buffer_.size() > kUsualSize) shrink();
  }

 private:
  void receive(std::size_t wanted) {
    make_room(wanted);
    const auto take = [this](int flags) {
      return recv(socket_, buffer_.data() + end_, buffer_.size() - end_, flags);
    };
    // The client is just writing the rest of a message, whoever else wants the processor.
    EagerWait rest(kEagerForRequest);
    ssize_t size = (begin_ == end_ ? next_ : rest).look(take);
    if (size < 0) {
      do {
        size = take(0);
      } while (size < 0 && errno == EINTR);
    }
    if (size <= 0) {
      if (begin_ == end_) throw HungUp{};
      throw MalformedMessage("the client hung up in the middle of a message");
    }
    end_ += static_cast<std::size_t>(size);
  }

  /// Memory grows with what has come, not with what is announced.
  void make_room(std::size_t wanted) {
    if (begin_ != 0) {
      const std::size_t size = end_ - begin_;
      std::memmove(buffer_.data(), buffer_.data() + begin_, size);
      zeroise(ByteSpan(buffer_).subspan(size, begin_));
      begin_ = 0;
      end_ = size;
    }
    if (end_ == buffer_.size()) move_to(std::min(2 * end_, std::max(wanted, end_ + 1)));
  }

  void shrink() noexcept {
    try {
      move_to(kUsualSize);
    } catch (const std::bad_alloc&) {  // the big one does as well
    }
  }

  void move_to(std::size_t size) {
    Bytes other(size);
    std::copy_n(buffer_.begin(), end_, other.begin());
    zeroise(buffer_);
    buffer_.swap(other);
  }

  const int socket_;
  EagerWait next_{kEagerForRequest};
  Bytes buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// @throws HungUp
void send_all(int socket, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t size = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) throw HungUp{};
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
}

void begin_answer(RpcWriter& answer, std::uint32_t call, std::string_view pieces) {
  answer.u32(call);
  answer.string(as_bytes(pieces));
}

/// Takes a request apart, calls the function, and writes the answer. Arguments that can't be read
/// are answered as well: where the next message begins is known.
/// @throws MalformedMessage for a call that is none.
void answer_request(const CK_FUNCTION_LIST& functions, ByteSpan message, RpcWriter& answer) {
  RpcReader request(message);
  const std::uint32_t number = request.u32();
  const RpcCall* const call = find_call(number);
  if (call == nullptr) throw MalformedMessage("no call has the number " + std::to_string(number));
  const RpcReader::Data pieces = request.string();
  if (!equal({pieces.data, pieces.size}, as_bytes(call->request))) {
    throw MalformedMessage(std::string(call->name) + " has other arguments");
  }
  const std::size_t start = answer.size();
  begin_answer(answer, number, call->answer);
  CK_RV rv = CKR_OK;
  try {
    rv = call->run(functions, request, answer);
  } catch (const Error& error) {
    rv = error.rv();
    refusals.warn([&] { return std::string(call->name) + ": " + error.what(); });
  } catch (const MalformedMessage& problem) {
    rv = CKR_DEVICE_ERROR;
    refusals.warn([&] { return std::string(call->name) + ": " + problem.what(); });
  }
  if (rv == CKR_OK) return;
  answer.cut(start);
  begin_answer(answer, kErrorCall, "u");
  answer.ulong(rv);
}

/// Conversation serves one connection.
class Conversation {
 public:
  Conversation(const CK_FUNCTION_LIST& functions, int socket)
      : functions_(functions), socket_(socket), inbox_(socket) {}

  /// The client says which version it speaks at most, we say which one is spoken.
  void agree_on_version() {
    static_cast<void>(inbox_.peek(1));
    inbox_.drop(1);
    send_all(socket_, {&kVersion, 1});
  }

  void serve_one() {
    RpcReader header(inbox_.peek(kHeaderSize));
    const std::uint32_t label = header.u32();
    const std::size_t options = header.u32();
    const std::size_t size = header.u32();
    if (options + size > kMaxMessage) {
      throw MalformedMessage("a message of " + std::to_string(options + size) +
                             " bytes was announced; at most " + std::to_string(kMaxMessage) +
                             " are taken");
    }
    const std::size_t whole = kHeaderSize + options + size;
    const ByteSpan message = inbox_.peek(whole).subspan(kHeaderSize + options);
    answer_message(label, message);  // what is thrown ends the connection, and the inbox
    inbox_.drop(whole);              // before the client takes its time to read
    send_all(socket_, answer_);
    if (answer_.capacity() > kUsualSize) Bytes().swap(answer_);
  }

 private:
  void answer_message(std::uint32_t label, ByteSpan message) {
    RpcWriter answer(answer_);
    answer.u32(label);
    answer.u32(0);
    answer.u32(0);
    answer_request(functions_, message, answer);
    answer.set_u32(8, static_cast<std::uint32_t>(answer.size() - kHeaderSize));
  }

  const CK_FUNCTION_LIST& functions_;
  const int socket_;
  Inbox inbox_;
  Bytes answer_;
};

}  // namespace

std::string serve_p11kit(const CK_FUNCTION_LIST& functions, int socket) {
  try {
    Conversation conversation(functions, socket);
    conversation.agree_on_version();
    while (true) conversation.serve_one();
  } catch (const HungUp&) {
    return {};
  } catch (const MalformedMessage& problem) {
    return problem.what();
  }
}

std::string P11kitDoor::serve(int socket, const ucred&) {
  api::ConnectionFrontend frontend(tasks_, sessions_, shown_keys());
  const api::BoundFrontend bound(frontend);
  return serve_p11kit(*api::function_list(), socket);
}

}  // namespace mayfly::broker
