#include "credential/spiffe_id.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/error.h"

namespace mayfly::credential {
namespace {

constexpr std::size_t kMaxTrustDomain = 255;
constexpr std::size_t kSerialDigits = 16;

bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) noexcept { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::string segment_of(std::string_view task_id) {
  // "." and ".." would mean another path.
  const bool only_dots = task_id == "." || task_id == "..";
  std::string segment;
  for (const char c : task_id) {
    if (is_lower(c) || is_upper(c) || is_digit(c) || c == '-' || (c == '.' && !only_dots)) {
      segment += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      segment += '_' + to_hex(ByteView(&byte, 1));
    }
  }
  return segment;
}

}  // namespace

bool is_trust_domain(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxTrustDomain && std::ranges::all_of(text, [](char c) {
    return is_lower(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
  });
}

void check_trust_domain(std::string_view text) {
  if (is_trust_domain(text)) return;
  throw Error(CKR_ARGUMENTS_BAD,
              "the trust domain is none; use lower-case letters, digits, dots, dashes and "
              "underscores, such as agents.example");
}

std::string spiffe_id(std::string_view trust_domain) {
  check_trust_domain(trust_domain);
  return "spiffe://" + std::string(trust_domain);
}

std::string spiffe_id(std::string_view trust_domain, std::string_view task_id,
                      std::string_view serial) {
  if (task_id.empty() || !is_hex(serial, kSerialDigits)) {
    throw Error(CKR_ARGUMENTS_BAD, "a task has an ID and a serial of 16 hexadecimal digits");
  }
  return spiffe_id(trust_domain) + "/task/" + segment_of(task_id) + "/" + std::string(serial);
}

}  // namespace mayfly::credential
