#include "base/json_reader.h"

#include <vector>

#include "base/utf8.h"

namespace mayfly {
namespace {

constexpr int kMaxDepth = 10;
constexpr std::size_t kMostShown = 64;  // of a name that anybody may have made up

std::string shown_name(const std::string& name) {
  return printable_utf8(utf8_prefix(name, kMostShown));
}

/// Sees what the parser's result does not show any more: that a member was there twice.
class Watcher {
 public:
  bool operator()(int depth, nlohmann::json::parse_event_t event, const nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (depth > kMaxDepth) throw JsonError(JsonFault::malformed, "the JSON lies too deep");
    if (event == Event::object_start) {
      open_.emplace_back();
    } else if (event == Event::object_end) {
      open_.pop_back();
    } else if (event == Event::key) {
      const auto& name = value.get_ref<const std::string&>();
      if (!open_.back().insert(name).second) {
        throw JsonError(JsonFault::duplicate, "the member " + shown_name(name) + " is there twice");
      }
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> open_;
};

}  // namespace

nlohmann::json parse_json(std::string_view text, std::size_t most) {
  if (text.size() > most) throw JsonError(JsonFault::malformed, "the text is too large");
  // nlohmann's parser would pass over a byte order mark, which RFC 8259 does not allow.
  if (text.starts_with("\xef")) throw JsonError(JsonFault::malformed, "the text is no JSON");
  Watcher watcher;
  try {
    return nlohmann::json::parse(text, [&watcher](int depth, auto event, auto& value) {
      return watcher(depth, event, value);
    });
  } catch (const nlohmann::json::exception&) {
    throw JsonError(JsonFault::malformed, "the text is no JSON");
  }
}

JsonObject::JsonObject(const nlohmann::json& value, std::string name)
    : value_(value), name_(std::move(name)) {
  if (!value.is_object()) throw JsonError(JsonFault::invalid, name_ + " is no JSON object");
}

void JsonObject::refuse(const std::string& member, const std::string& reason,
                        JsonFault fault) const {
  throw JsonError(fault, name_ + "." + shown_name(member) + " " + reason);
}

const nlohmann::json& JsonObject::at(const char* member) {
  const auto found = value_.find(member);
  if (found == value_.end()) refuse(member, "is missing", JsonFault::missing);
  read_.insert(member);
  return *found;
}

JsonObject JsonObject::object(const char* member) { return {at(member), name_ + "." + member}; }

std::string JsonObject::text(const char* member) {
  const nlohmann::json& value = at(member);
  if (!value.is_string()) refuse(member, "is no text");
  return value.get<std::string>();
}

std::string JsonObject::printable_text(const char* member, std::size_t most) {
  std::string value = text(member);
  if (value.empty() || value.size() > most) {
    refuse(member, "has not 1 to " + std::to_string(most) + " bytes");
  }
  if (!is_printable_utf8(value)) refuse(member, "holds control characters");
  return value;
}

bool JsonObject::boolean(const char* member) {
  const nlohmann::json& value = at(member);
  if (!value.is_boolean()) refuse(member, "is neither true nor false");
  return value.get<bool>();
}

std::uint64_t JsonObject::number(const char* member, std::uint64_t most) {
  const nlohmann::json& value = at(member);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
    refuse(member, "is no whole number, or too large");
  }
  return value.get<std::uint64_t>();
}

Bytes JsonObject::bytes(const char* member, std::size_t least, std::size_t most) {
  const std::string digits = text(member);
  if (digits.size() % 2 != 0 || digits.size() < 2 * least || digits.size() > 2 * most) {
    refuse(member, "has a length that it can't have");
  }
  std::optional<Bytes> result = parse_hex(digits);
  if (!result) refuse(member, "is not in lower-case hexadecimal");
  return *std::move(result);
}

void JsonObject::require_format(std::string_view format, std::uint64_t version) {
  if (text("format") != format) refuse("format", "is another");
  if (number("version", kMaxJsonNumber) != version) refuse("version", "is another");
}

void JsonObject::finish() const {
  for (const auto& [member, ignored] : value_.items()) {
    if (!read_.contains(member)) refuse(member, "is not known here", JsonFault::unknown);
  }
}

}  // namespace mayfly
