// JSON read with nothing overlooked.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace mayfly::attestation {

/// A text as JSON, an object at its top.
/// @throws Refused "format" for what is no JSON, has a member twice, lies deeper than ten levels,
/// or
///         is larger than kMaxEvidenceSize.
[[nodiscard]] nlohmann::json parse_json(std::string_view text);

/// JsonObject hands out the members of one object and makes sure that none was left unread.
/// Each function throws Refused("format", …) that names the member.
class JsonObject {
 public:
  JsonObject(const nlohmann::json& value, std::string name);

  [[nodiscard]] bool has(const char* member) const { return value_.contains(member); }
  [[nodiscard]] const nlohmann::json& at(const char* member);
  [[nodiscard]] JsonObject object(const char* member);
  [[nodiscard]] std::string text(const char* member);
  [[nodiscard]] std::uint64_t number(const char* member, std::uint64_t most);
  /// Lower-case hexadecimal of `least` to `most` bytes.
  [[nodiscard]] Bytes bytes(const char* member, std::size_t least, std::size_t most);

  /// To be called when all has been read.
  void finish() const;
  [[noreturn]] void refuse(const std::string& member, const std::string& reason) const;

 private:
  const nlohmann::json& value_;
  std::string name_;
  std::set<std::string> read_;
};

}  // namespace mayfly::attestation
