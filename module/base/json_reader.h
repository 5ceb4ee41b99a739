// JSON read with nothing overlooked.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/error.h"

namespace mayfly {

/// The largest whole number that JSON's readers in other languages tell from its neighbours.
inline constexpr std::uint64_t kMaxJsonNumber = (std::uint64_t{1} << 53) - 1;

/// In which way a JSON text is not as it should be.
enum class JsonFault {
  malformed,  ///< no JSON, too large, or too deep
  duplicate,  ///< a member is there twice
  missing,    ///< a member is not there
  unknown,    ///< a member is there that nobody knows
  invalid,    ///< a member's value can't be one
};

/// A JSON text was not taken. Its value for PKCS#11 is CKR_DATA_INVALID.
class JsonError : public Error {
 public:
  JsonError(JsonFault fault, const std::string& message)
      : Error(CKR_DATA_INVALID, message), fault_(fault) {}

  [[nodiscard]] JsonFault fault() const noexcept { return fault_; }

 private:
  JsonFault fault_;
};

/// A text as JSON (RFC 8259).
/// @param most  The longest text that is read, in bytes.
/// @throws JsonError for what is no JSON, has a member twice, lies deeper than ten levels, or is
///         longer than `most`.
[[nodiscard]] nlohmann::json parse_json(std::string_view text, std::size_t most);

/// JsonObject hands out the members of one object and makes sure that none was left unread.
/// Each function throws a JsonError that names the member.
class JsonObject {
 public:
  /// @param name  What messages call it: "evidence".
  JsonObject(const nlohmann::json& value, std::string name);

  [[nodiscard]] bool has(const char* member) const { return value_.contains(member); }
  [[nodiscard]] const nlohmann::json& at(const char* member);
  [[nodiscard]] JsonObject object(const char* member);
  [[nodiscard]] std::string text(const char* member);
  /// A text of 1 to `most` bytes without control characters.
  [[nodiscard]] std::string printable_text(const char* member, std::size_t most);
  [[nodiscard]] std::uint64_t number(const char* member, std::uint64_t most);
  [[nodiscard]] bool boolean(const char* member);
  /// Lower-case hexadecimal of `least` to `most` bytes.
  [[nodiscard]] Bytes bytes(const char* member, std::size_t least, std::size_t most);

  /// Reads `format` and `version`, which must be these.
  void require_format(std::string_view format, std::uint64_t version);

  /// To be called when all has been read.
  void finish() const;
  /// Refuses a member's value.
  [[noreturn]] void refuse(const std::string& member, const std::string& reason,
                           JsonFault fault = JsonFault::invalid) const;

 private:
  const nlohmann::json& value_;
  std::string name_;
  std::set<std::string> read_;
};

}  // namespace mayfly
