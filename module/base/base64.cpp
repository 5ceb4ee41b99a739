#include "base/base64.h"

#include <algorithm>

#include "base/base64url.h"

namespace mayfly {

std::string to_base64(ByteView bytes) {
  std::string text = to_base64url(bytes);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::optional<Bytes> parse_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.find_first_of("-_") != text.npos) return std::nullopt;
  std::string unpadded(text);
  for (int i = 0; i < 2 && unpadded.ends_with('='); ++i) unpadded.pop_back();
  std::ranges::replace(unpadded, '+', '-');
  std::ranges::replace(unpadded, '/', '_');
  return parse_base64url(unpadded);
}

}  // namespace mayfly
