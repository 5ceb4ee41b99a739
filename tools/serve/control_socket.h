// The socket where a broker of many tasks is told what to do.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/limited_log.h"
#include "tools/serve/caller.h"
#include "tools/serve/event_loop.h"

namespace mayfly::serve {

/// ControlSocket takes requests, one packet each, and gives answers, one packet each. Nothing that
/// a client does or leaves undone keeps others waiting: connections are bounded in number, also for
/// each user, in time, and in what they may send; none is waited for.
class ControlSocket {
 public:
  struct Limits {
    std::size_t connections = 64;    ///< open at once
    std::size_t for_operators = 16;  ///< more of them, for root and operators alone
    std::size_t each_user = 8;       ///< open at once of one user who is no operator
    BootClock::duration silence = std::chrono::seconds(10);  ///< until a request comes
  };

  /// Sends an answer, if the client is still there. To be called once, in the loop.
  using Answer = std::function<void(const std::string& text)>;
  using Handler = std::function<void(const Caller& caller, std::string_view text, Answer answer)>;
  using IsOperator = std::function<bool(const Peer& peer)>;

  /// @param listening  SOCK_SEQPACKET, not blocking.
  ControlSocket(EventLoop& loop, Descriptor listening, IsOperator is_operator, Handler handler,
                Limits limits);
  ControlSocket(EventLoop& loop, Descriptor listening, IsOperator is_operator, Handler handler)
      : ControlSocket(loop, std::move(listening), std::move(is_operator), std::move(handler),
                      Limits()) {}

 private:
  struct Connection {
    Descriptor socket;
    Caller caller;
    bool is_operators = false;
    EventLoop::Watch watch;
    EventLoop::Timer silence;
  };

  void accept_one();
  [[nodiscard]] bool has_room_for(const Caller& caller, bool is_operators);
  void listen_to(std::uint64_t number);
  void receive(std::uint64_t number);
  void answer(std::uint64_t number, const std::string& text);
  void hang_up(std::uint64_t number, const std::string& why);

  EventLoop& loop_;
  const Descriptor listening_;
  const IsOperator is_operator_;
  const Handler handler_;
  const Limits limits_;
  EventLoop::Watch watch_;
  EventLoop::Timer pause_;
  std::uint64_t count_ = 0;
  std::map<std::uint64_t, Connection> connections_;
  log::LimitedLog log_;
};

}  // namespace mayfly::serve
