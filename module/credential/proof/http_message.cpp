#include "credential/proof/http_message.h"

#include <algorithm>

#include "base/base64.h"
#include "base/hash.h"
#include "credential/proof/target_uri.h"

namespace mayfly::credential {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

/// All values of a field, in one (RFC 9421, 2.1).
std::optional<std::string> field_value(const HttpMessage& message, std::string_view name) {
  std::optional<std::string> value;
  for (const auto& [field, text] : message.fields) {
    if (lower_case(field) != name) continue;
    // A line break would begin another line of what is signed.
    if (text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos) return std::nullopt;
    value = value ? *value + ", " + std::string(trimmed(text)) : std::string(trimmed(text));
  }
  return value;
}

}  // namespace

std::optional<std::string> component_value(const HttpMessage& message, std::string_view component) {
  if (!component.starts_with('@')) return field_value(message, component);
  const auto uri = parse_target_uri(message.target);
  if (!uri) return std::nullopt;
  if (component == "@method" && is_http_method(message.method)) return message.method;
  if (component == "@target-uri") {
    return uri->without_query() + (uri->query ? "?" + *uri->query : "");
  }
  if (component == "@authority") return uri->authority;
  if (component == "@scheme") return uri->scheme;
  if (component == "@path") return uri->path;
  if (component == "@query") return "?" + uri->query.value_or("");
  return std::nullopt;
}

std::string content_digest(ByteView body) {
  return "sha-256=:" + to_base64(digest(Hash::sha256, body)) + ":";
}

bool is_content_digest(std::string_view field, ByteView body) {
  bool any = false;
  while (!field.empty()) {
    const std::size_t comma = std::min(field.find(','), field.size());
    const std::string_view member = trimmed(field.substr(0, comma));
    field.remove_prefix(std::min(comma + 1, field.size()));
    const std::size_t equals = member.find("=:");
    if (equals == member.npos || !member.ends_with(':')) return false;
    const std::string_view name = member.substr(0, equals);
    const Hash hash = name == "sha-256"   ? Hash::sha256
                      : name == "sha-512" ? Hash::sha512
                                          : Hash::none;
    if (hash == Hash::none) return false;
    const std::size_t start = equals + 2;
    if (member.size() <= start) return false;
    const auto bytes = parse_base64(member.substr(start, member.size() - start - 1));
    if (!bytes || !equal(*bytes, digest(hash, body))) return false;
    any = true;
  }
  return any;
}

}  // namespace mayfly::credential
