// HTTP for those who watch the broker.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "config/config.h"
#include "tools/serve/event_loop.h"
#include "tools/serve/published.h"

struct MHD_Connection;
struct MHD_Daemon;

namespace mayfly::serve {

/// HttpServer answers GET and HEAD for /status.jwt and /keys.json, where they are published, and
/// for /metrics; all else is refused. It reads nothing but the request line and If-None-Match, and
/// changes nothing. libmicrohttpd speaks HTTP, in a thread of its own.
class HttpServer {
 public:
  /// At once, of all clients. One more ends the oldest.
  static constexpr unsigned kMostConnections = 64;
  /// The longest head of a request, and the room that a connection has, in bytes.
  static constexpr std::size_t kConnectionMemory = std::size_t{16} * 1024;
  static constexpr std::chrono::seconds kSilence{10};
  /// A connection's whole life, however busy it is.
  static constexpr std::chrono::seconds kLongestLife{30};

  /// @param files    Null where nothing is published. Outlives the server.
  /// @param metrics  Gives the text of /metrics, from any thread.
  /// @throws Error CKR_FUNCTION_FAILED if it can't listen there.
  HttpServer(EventLoop& loop, const ListenAddress& address, const PublishedPlace* files,
             std::function<std::string()> metrics);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  struct Callbacks;
  struct Reply;
  struct StopDaemon {
    void operator()(MHD_Daemon* daemon) const noexcept;
  };

  [[nodiscard]] Reply reply_to(const std::string& path, const char* known) const;
  [[nodiscard]] bool answer(MHD_Connection* connection, const std::string& path,
                            const std::string& method) const;
  void came(int socket);
  void went(int socket) noexcept;
  void hang_up_on_old();

  EventLoop& loop_;
  const PublishedPlace* const files_;
  const std::function<std::string()> metrics_;
  std::mutex mutex_;                                  // guards what follows
  std::map<int, BootClock::time_point> connections_;  // since when, by descriptor; those that stay
  EventLoop::Timer next_look_;
  std::uint16_t port_ = 0;
  std::unique_ptr<MHD_Daemon, StopDaemon> daemon_;  // goes first: its thread uses the rest
};

}  // namespace mayfly::serve
