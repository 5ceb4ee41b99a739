#include "tools/serve/http_server.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/limited_log.h"
#include "base/utf8.h"

namespace mayfly::serve {
namespace {

constexpr std::chrono::seconds kLookForOld{5};
constexpr const char* kNotKept = "no-store";

union SocketAddress {
  sockaddr any;
  sockaddr_in ipv4;
  sockaddr_in6 ipv6;
};

SocketAddress to_socket_address(const ListenAddress& address) {
  SocketAddress result{};
  if (address.is_ipv6) {
    result.ipv6.sin6_family = AF_INET6;
    result.ipv6.sin6_port = htons(address.port);
    inet_pton(AF_INET6, address.host.c_str(), &result.ipv6.sin6_addr);
  } else {
    result.ipv4.sin_family = AF_INET;
    result.ipv4.sin_port = htons(address.port);
    inet_pton(AF_INET, address.host.c_str(), &result.ipv4.sin_addr);
  }
  return result;
}

/// Whether If-None-Match names the tag (RFC 9110, 13.1.2).
bool names_tag(const char* condition, const std::string& tag) {
  if (condition == nullptr) return false;
  const std::string_view wanted = condition;
  return wanted == "*" || wanted.find(tag) != wanted.npos;
}

/// How long others may keep it: until it is made anew.
std::string kept_for(BootClock::time_point until) {
  const auto left = std::chrono::floor<std::chrono::seconds>(until - BootClock::now());
  return left.count() > 0 ? "max-age=" + std::to_string(left.count()) : "no-cache";
}

/// Nobody needs to send one, and none is read.
bool has_body(MHD_Connection* connection) {
  for (const char* field : {MHD_HTTP_HEADER_TRANSFER_ENCODING, MHD_HTTP_HEADER_CONTENT_LENGTH}) {
    if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, field) != nullptr) return true;
  }
  return false;
}

void complain(void* /*unused*/, const char* format, va_list arguments) {
  static log::LimitedLog log;
  log.warn([&] {
    char line[512] = {};
    std::vsnprintf(line, sizeof line, format, arguments);
    return "HTTP: " + printable_utf8(line);
  });
}

}  // namespace

/// What is said to a request.
struct HttpServer::Reply {
  unsigned status = MHD_HTTP_OK;
  std::string type = "text/plain; charset=utf-8";
  std::string content;
  std::string kept = kNotKept;
  std::string tag;
};

/// What libmicrohttpd calls. No exception may pass.
struct HttpServer::Callbacks {
  static MHD_Result handle(void* self, MHD_Connection* connection, const char* url,
                           const char* method, const char* /*version*/, const char* /*upload*/,
                           std::size_t* /*upload_size*/, void** /*request*/) noexcept {
    try {
      return static_cast<const HttpServer*>(self)->answer(connection, url, method) ? MHD_YES
                                                                                   : MHD_NO;
    } catch (const std::exception&) {
      return MHD_NO;  // the connection is closed
    }
  }

  static void notify(void* self, MHD_Connection* connection, void** /*context*/,
                     MHD_ConnectionNotificationCode code) noexcept {
    const MHD_ConnectionInfo* const info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == nullptr) return;
    auto* const server = static_cast<HttpServer*>(self);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) return server->went(info->connect_fd);
    try {
      server->came(info->connect_fd);
    } catch (const std::bad_alloc&) {
      shutdown(info->connect_fd, SHUT_RDWR);
    }
  }
};

void HttpServer::StopDaemon::operator()(MHD_Daemon* daemon) const noexcept {
  MHD_stop_daemon(daemon);
}

HttpServer::HttpServer(EventLoop& loop, const ListenAddress& address, const PublishedPlace* files,
                       std::function<std::string()> metrics)
    : loop_(loop), files_(files), metrics_(std::move(metrics)) {
  const SocketAddress where = to_socket_address(address);
  const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ERROR_LOG |
                         (address.is_ipv6 ? MHD_USE_IPv6 : MHD_NO_FLAG);
  daemon_.reset(MHD_start_daemon(
      flags, address.port, nullptr, nullptr, &Callbacks::handle, this, MHD_OPTION_EXTERNAL_LOGGER,
      &complain, nullptr, MHD_OPTION_SOCK_ADDR, &where.any, MHD_OPTION_CONNECTION_LIMIT,
      2 * kMostConnections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(kSilence.count()),
      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::notify, this,
      MHD_OPTION_END));
  const MHD_DaemonInfo* const info =
      daemon_ ? MHD_get_daemon_info(daemon_.get(), MHD_DAEMON_INFO_BIND_PORT) : nullptr;
  if (info == nullptr) {
    throw Error(CKR_FUNCTION_FAILED, address.text() + " can't be listened at (status.listen): " +
                                         std::strerror(errno) + "; another program may have it");
  }
  port_ = info->port;
  hang_up_on_old();
}

HttpServer::~HttpServer() = default;

HttpServer::Reply HttpServer::reply_to(const std::string& path, const char* known) const {
  Reply reply;
  if (path == "/metrics") {
    reply.type = "text/plain; version=0.0.4; charset=utf-8";
    reply.content = metrics_();
    return reply;
  }
  const bool is_list = path == "/status.jwt";
  if (files_ == nullptr || (!is_list && path != "/keys.json")) {
    reply.status = MHD_HTTP_NOT_FOUND;
    reply.content =
        "There is /metrics, and where status.folder is set, /status.jwt and /keys.json.\n";
    return reply;
  }
  const auto files = files_->take();
  const PublishedFile& file = is_list ? files->status_list : files->keys;
  if (file.content.empty()) {
    reply.status = MHD_HTTP_SERVICE_UNAVAILABLE;
    reply.content = "It can't be made now. Take no task for open.\n";
    return reply;
  }
  reply.type = is_list ? "application/statuslist+jwt" : "application/jwk-set+json";
  reply.kept = kept_for(files->until);
  reply.tag = file.tag;
  if (names_tag(known, reply.tag)) {
    reply.status = MHD_HTTP_NOT_MODIFIED;
  } else {
    reply.content = file.content;
  }
  return reply;
}

bool HttpServer::answer(MHD_Connection* connection, const std::string& path,
                        const std::string& method) const {
  const bool is_read = method == MHD_HTTP_METHOD_GET || method == MHD_HTTP_METHOD_HEAD;
  Reply reply;
  if (has_body(connection)) {
    reply.status = MHD_HTTP_BAD_REQUEST;
    reply.content = "A request has no body here.\n";
  } else if (is_read) {
    reply = reply_to(path, MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                       MHD_HTTP_HEADER_IF_NONE_MATCH));
  } else {
    reply.status = MHD_HTTP_METHOD_NOT_ALLOWED;
    reply.content = "Only GET and HEAD.\n";
  }
  const std::unique_ptr<MHD_Response, void (*)(MHD_Response*)> response(
      MHD_create_response_from_buffer(reply.content.size(), reply.content.data(),
                                      MHD_RESPMEM_MUST_COPY),
      &MHD_destroy_response);
  const auto add = [&](const char* name, const std::string& value) {
    return value.empty() || MHD_add_response_header(response.get(), name, value.c_str()) == MHD_YES;
  };
  return response != nullptr && add(MHD_HTTP_HEADER_CONTENT_TYPE, reply.type) &&
         add(MHD_HTTP_HEADER_CACHE_CONTROL, reply.kept) && add(MHD_HTTP_HEADER_ETAG, reply.tag) &&
         add(MHD_HTTP_HEADER_X_CONTENT_TYPE_OPTIONS, "nosniff") &&
         add(MHD_HTTP_HEADER_ALLOW, is_read ? "" : "GET, HEAD") &&
         MHD_queue_response(connection, reply.status, response.get()) == MHD_YES;
}

/// Where all places are taken, the oldest one goes: whoever waits without a word, and comes again,
/// keeps nobody out.
void HttpServer::came(int socket) {
  const std::scoped_lock lock(mutex_);
  if (connections_.size() >= kMostConnections) {
    const auto oldest = std::ranges::min_element(
        connections_, {}, [](const auto& connection) { return connection.second; });
    shutdown(oldest->first, SHUT_RDWR);
    connections_.erase(oldest);
  }
  connections_[socket] = BootClock::now();
}

void HttpServer::went(int socket) noexcept {
  const std::scoped_lock lock(mutex_);
  connections_.erase(socket);
}

/// A client that says a little now and then is not silent, and would stay for ever.
void HttpServer::hang_up_on_old() {
  const auto before = BootClock::now() - kLongestLife;
  {
    const std::scoped_lock lock(mutex_);
    // Each is open as long as it is in the map: went() comes before its descriptor is closed.
    for (const auto& [socket, since] : connections_) {
      if (since < before) shutdown(socket, SHUT_RDWR);
    }
  }
  next_look_ = loop_.after(kLookForOld, [this] { hang_up_on_old(); });
}

}  // namespace mayfly::serve
