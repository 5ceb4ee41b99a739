// An HTTP request, as far as message signatures cover it (RFC 9421, 2).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace mayfly::credential {

/// A request. Fields are as they are sent, in their order.
struct HttpMessage {
  std::string method;
  std::string target;  ///< the absolute URI
  std::vector<std::pair<std::string, std::string>> fields;
};

/// The value of a component without parameters: of a field by its name in lower case (RFC
/// 9421, 2.1), or one of @method, @target-uri, @authority, @scheme, @path and @query (2.2). Nothing
/// for what the request has not, and for all else.
[[nodiscard]] std::optional<std::string> component_value(const HttpMessage& message,
                                                         std::string_view component);

/// The field Content-Digest for a body (RFC 9530, 2): "sha-256=:…:".
[[nodiscard]] std::string content_digest(ByteView body);

/// Whether a Content-Digest is one of a body: by SHA-256, SHA-512 or both, whichever it has, and by
/// nothing else.
[[nodiscard]] bool is_content_digest(std::string_view field, ByteView body);

}  // namespace mayfly::credential
