// The URI of an HTTP request, as proofs name it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mayfly::credential {

/// The parts of an absolute http or https URI, in the one form in which they are compared (RFC
/// 3986, 6.2.2 and 6.2.3): scheme and host in lower case, no port that is the scheme's own, no dot
/// segments, escapes in capitals and only where they are needed, "/" for no path.
struct TargetUri {
  std::string scheme;
  std::string authority;  ///< host, and the port unless it is the scheme's own
  std::string path;
  std::optional<std::string> query;  ///< without the question mark, as it was written

  /// Scheme, authority and path: what htu and aud name (RFC 9449, 4.3, check 9).
  [[nodiscard]] std::string without_query() const { return scheme + "://" + authority + path; }
};

/// Takes a URI apart; nothing for what is none, has another scheme, names a user, or holds anything
/// that no URI can. A fragment is passed over.
[[nodiscard]] std::optional<TargetUri> parse_target_uri(std::string_view text);

/// Whether a text is a token as HTTP has them (RFC 9110, 5.6.2), of at most 256 characters: the
/// name of a field.
[[nodiscard]] bool is_http_token(std::string_view text) noexcept;

/// Whether a text is a method as HTTP writes them (RFC 9110, 9.1): a token of at most 32
/// characters.
[[nodiscard]] bool is_http_method(std::string_view text) noexcept;

/// Whether two texts name the same target but for query and fragment. Texts that are no such URIs
/// never do.
[[nodiscard]] bool is_same_target(std::string_view a, std::string_view b);

}  // namespace mayfly::credential
