#include "credential/proof/target_uri.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace mayfly::credential {
namespace {

constexpr std::size_t kMaxUri = 8 * 1024;

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_unreserved(char c) {
  return is_alnum(c) || std::string_view("-._~").find(c) != std::string_view::npos;
}
bool is_sub_delimiter(char c) {
  return std::string_view("!$&'()*+,;=").find(c) != std::string_view::npos;
}
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

std::string lowered(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

/// Escapes in their one form; nothing for characters that can't stand there.
/// @param others  What may stand there besides unreserved characters and sub-delimiters.
std::optional<std::string> normal_escapes(std::string_view text, std::string_view others) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
      if (low < 0) return std::nullopt;
      const int value = high * 16 + low;
      if (is_unreserved(static_cast<char>(value)) && value < 0x80) {
        result += static_cast<char>(value);
      } else {
        result += {'%', kDigits[high], kDigits[low]};
      }
      i += 2;
    } else if (is_unreserved(c) || is_sub_delimiter(c) || others.find(c) != others.npos) {
      result += c;
    } else {
      return std::nullopt;
    }
  }
  return result;
}

/// RFC 3986, 5.2.4, for a path that begins with a slash.
std::string without_dot_segments(std::string_view path) {
  std::vector<std::string_view> segments;
  bool ends_in_folder = false;
  for (std::size_t start = 1; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view segment = path.substr(start, end - start);
    ends_in_folder = segment == "." || segment == "..";
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (segment != ".") {
      segments.push_back(segment);
    }
    start = end + 1;
  }
  std::string result;
  for (const std::string_view segment : segments) result.append("/").append(segment);
  if (ends_in_folder || result.empty()) result += '/';
  return result;
}

/// Host and port in their one form.
std::optional<std::string> normal_authority(std::string_view text, std::string_view own_port) {
  if (text.empty() || text.find('@') != text.npos) return std::nullopt;
  const std::size_t bracket = text.find(']');
  const std::size_t colon = text.find(':', bracket == text.npos ? 0 : bracket);
  const std::string_view host = text.substr(0, colon);
  std::optional<std::string> result;
  if (host.starts_with('[')) {
    const bool good = host.ends_with(']') && host.size() > 2 &&
                      std::ranges::all_of(host.substr(1, host.size() - 2), [](char c) {
                        return hex_value(c) >= 0 || c == ':' || c == '.';
                      });
    if (good) result = lowered(host);
  } else if (const auto normal = normal_escapes(host, ""); normal && !host.empty()) {
    result = lowered(*normal);
  }
  if (!result || colon == text.npos) return result;
  const std::string_view port = text.substr(colon + 1);
  const bool digits =
      port.size() <= 5 && std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return std::nullopt;
  if (!port.empty() && port != own_port) result->append(":").append(port);
  return result;
}

}  // namespace

std::optional<TargetUri> parse_target_uri(std::string_view text) {
  if (text.size() > kMaxUri) return std::nullopt;
  text = text.substr(0, text.find('#'));
  const std::size_t colon = text.find("://");
  if (colon == text.npos) return std::nullopt;
  TargetUri uri;
  uri.scheme = lowered(text.substr(0, colon));
  if (uri.scheme != "https" && uri.scheme != "http") return std::nullopt;
  text.remove_prefix(colon + 3);
  if (const std::size_t mark = text.find('?'); mark != text.npos) {
    if (!normal_escapes(text.substr(mark + 1), ":@/?")) return std::nullopt;
    uri.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  const std::size_t slash = std::min(text.find('/'), text.size());
  const auto authority =
      normal_authority(text.substr(0, slash), uri.scheme == "https" ? "443" : "80");
  const std::string_view path = slash == text.size() ? std::string_view("/") : text.substr(slash);
  const auto normal_path = normal_escapes(path, ":@/");
  if (!authority || !normal_path) return std::nullopt;
  uri.authority = *authority;
  uri.path = without_dot_segments(*normal_path);
  return uri;
}

bool is_http_token(std::string_view text) noexcept {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && text.size() <= 256 && std::ranges::all_of(text, [](char c) {
    return is_alnum(c) || kOthers.find(c) != kOthers.npos;
  });
}

bool is_http_method(std::string_view text) noexcept {
  return text.size() <= 32 && is_http_token(text);
}

bool is_same_target(std::string_view a, std::string_view b) {
  const auto one = parse_target_uri(a);
  const auto other = parse_target_uri(b);
  return one && other && one->without_query() == other->without_query();
}

}  // namespace mayfly::credential
