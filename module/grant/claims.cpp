#include "grant/claims.h"

#include <algorithm>

#include "base/joined.h"
#include "base/json_reader.h"
#include "base/utf8.h"
#include "grant/refused.h"

namespace mayfly::grant {
namespace {

constexpr std::size_t kMaxName = 255;  // bytes of iss, sub, aud, task, parent
constexpr std::size_t kMaxId = 128;
constexpr std::size_t kMaxAudiences = 16;
constexpr std::size_t kMaxScopes = 64;
constexpr std::size_t kMaxScope = 128;
constexpr std::size_t kMaxMechanisms = 64;
constexpr std::size_t kMaxMechanism = 64;
constexpr std::uint64_t kMaxTime = 253'402'300'799;     // the end of the year 9999
constexpr std::uint64_t kMaxTtl = 3650ULL * 24 * 3600;  // as in the configuration

/// A number from 1 to `most`: a limit of zero would be no permission.
std::uint64_t positive(JsonObject& object, const char* member, std::uint64_t most) {
  const std::uint64_t value = object.number(member, most);
  if (value == 0) object.refuse(member, "is zero");
  return value;
}

/// One text of a list, which must not be in it yet.
void append(std::vector<std::string>& list, std::string text, const JsonObject& object,
            const char* member) {
  if (std::ranges::find(list, text) != list.end()) object.refuse(member, "names something twice");
  list.push_back(std::move(text));
}

/// A list of texts, of which `is_good` says whether they can stand there.
template <typename IsGood>
std::vector<std::string> texts(JsonObject& object, const char* member, std::size_t most,
                               const IsGood& is_good) {
  const nlohmann::json& array = object.at(member);
  if (!array.is_array() || array.empty() || array.size() > most) {
    object.refuse(member, "is no list of 1 to " + std::to_string(most));
  }
  std::vector<std::string> list;
  for (const nlohmann::json& entry : array) {
    const auto* text = entry.get_ptr<const std::string*>();
    if (text == nullptr || !is_good(*text)) object.refuse(member, "names something that can't be");
    append(list, *text, object, member);
  }
  return list;
}

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= kMaxName && is_printable_utf8(text);
}

bool is_mechanism_name(const std::string& text) {
  static constexpr std::string_view kPrefix = "CKM_";
  return text.size() > kPrefix.size() && text.size() <= kMaxMechanism &&
         text.starts_with(kPrefix) && std::ranges::all_of(text, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

/// aud is one text, or a list of them (RFC 7519, 4.1.3).
std::vector<std::string> read_audience(JsonObject& object) {
  if (object.at("aud").is_string()) return {object.printable_text("aud", kMaxName)};
  return texts(object, "aud", kMaxAudiences, is_name);
}

/// scope is a text of words between single spaces (RFC 6749, 3.3; RFC 8693, 4.2).
std::vector<std::string> read_scope(JsonObject& object) {
  const std::string text = object.text("scope");
  const auto is_allowed = [](char c) {
    return c == ' ' || (c > 0x20 && c < 0x7f && c != '"' && c != '\\');
  };
  if (!std::ranges::all_of(text, is_allowed)) object.refuse("scope", "holds what no scope can");
  std::vector<std::string> list;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    const std::string word = text.substr(start, end - start);
    if (word.empty() || word.size() > kMaxScope || list.size() == kMaxScopes) {
      object.refuse("scope", "is no 1 to " + std::to_string(kMaxScopes) + " words of 1 to " +
                                 std::to_string(kMaxScope) + " bytes, with one space between two");
    }
    append(list, word, object, "scope");
    start = end + 1;
  }
  return list;
}

/// {"allowed": false}, or {"allowed": true, "depth": 1 to kMaxDepth}.
unsigned read_children(JsonObject children) {
  unsigned depth = 0;
  if (children.boolean("allowed")) {
    depth = static_cast<unsigned>(positive(children, "depth", kMaxDepth));
  } else if (children.has("depth")) {
    children.refuse("depth", "is there, though children are not allowed");
  }
  children.finish();
  return depth;
}

void read_times(JsonObject& object, Grant& grant) {
  grant.issued_at = object.number("iat", kMaxTime);
  grant.expires = object.number("exp", kMaxTime);
  if (grant.expires <= grant.issued_at) object.refuse("exp", "is not after iat");
  if (!object.has("nbf")) return;
  grant.not_before = object.number("nbf", kMaxTime);
  if (grant.expires <= *grant.not_before) object.refuse("exp", "is not after nbf");
}

Grant read_claims(std::string_view json) {
  const nlohmann::json parsed = parse_json(json, kMaxGrantSize);
  if (!parsed.is_object()) throw JsonError(JsonFault::malformed, "they are no object");
  JsonObject object(parsed, "grant");
  Grant grant;
  grant.issuer = object.printable_text("iss", kMaxName);
  grant.agent = object.printable_text("sub", kMaxName);
  grant.id = object.printable_text("jti", kMaxId);
  read_times(object, grant);
  grant.task = object.printable_text("task", kMaxName);
  grant.ttl = std::chrono::seconds(positive(object, "ttl", kMaxTtl));
  grant.audience = read_audience(object);
  if (object.has("max_sigs")) grant.max_signatures = positive(object, "max_sigs", kMaxJsonNumber);
  if (object.has("max_keys")) grant.max_keys = positive(object, "max_keys", kMaxJsonNumber);
  if (object.has("mechs")) {
    grant.mechanisms = texts(object, "mechs", kMaxMechanisms, is_mechanism_name);
  }
  if (object.has("scope")) grant.scope = read_scope(object);
  if (object.has("children")) grant.children = read_children(object.object("children"));
  if (object.has("parent")) grant.parent = object.printable_text("parent", kMaxName);
  object.finish();
  return grant;
}

Reason claims_reason_of(JsonFault fault) noexcept {
  switch (fault) {
    case JsonFault::malformed:
      return Reason::claims;
    case JsonFault::duplicate:
      return Reason::duplicate_claim;
    case JsonFault::missing:
      return Reason::missing_claim;
    case JsonFault::unknown:
      return Reason::unknown_claim;
    case JsonFault::invalid:
      break;
  }
  return Reason::bad_claim;
}

}  // namespace

Grant parse_claims(std::string_view json) {
  if (json.size() > kMaxGrantSize) throw Refused(Reason::too_long);
  try {
    return read_claims(json);
  } catch (const JsonError& error) {
    throw Refused(claims_reason_of(error.fault()), error.what());
  }
}

std::string to_json(const Grant& grant) {
  nlohmann::json json = {{"iss", grant.issuer},      {"sub", grant.agent},   {"jti", grant.id},
                         {"iat", grant.issued_at},   {"exp", grant.expires}, {"task", grant.task},
                         {"ttl", grant.ttl.count()}, {"aud", grant.audience}};
  if (grant.audience.size() == 1) json["aud"] = grant.audience.front();
  if (grant.not_before) json["nbf"] = *grant.not_before;
  if (grant.max_signatures) json["max_sigs"] = *grant.max_signatures;
  if (grant.max_keys) json["max_keys"] = *grant.max_keys;
  if (!grant.mechanisms.empty()) json["mechs"] = grant.mechanisms;
  if (!grant.scope.empty()) json["scope"] = joined(grant.scope, " ");
  if (grant.children != 0) json["children"] = {{"allowed", true}, {"depth", grant.children}};
  if (grant.parent) json["parent"] = *grant.parent;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace mayfly::grant
