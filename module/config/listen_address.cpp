// ListenAddress: "127.0.0.1:9464", "[::1]:9464".
#include <arpa/inet.h>
#include <charconv>
#include <netinet/in.h>

#include "config/config.h"

namespace mayfly {

bool ListenAddress::is_loopback() const noexcept {
  if (is_ipv6) {
    in6_addr address{};
    return inet_pton(AF_INET6, host.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
  }
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

std::string ListenAddress::text() const {
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<ListenAddress> ListenAddress::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  ListenAddress parsed;
  parsed.is_ipv6 = host.starts_with('[') && host.ends_with(']');
  if (parsed.is_ipv6) host = host.substr(1, host.size() - 2);
  parsed.host = host;
  in6_addr address{};
  if (inet_pton(parsed.is_ipv6 ? AF_INET6 : AF_INET, parsed.host.c_str(), &address) != 1) {
    return std::nullopt;
  }
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, parsed.port);
  if (error != std::errc() || stop != end) return std::nullopt;
  return parsed;
}

}  // namespace mayfly
