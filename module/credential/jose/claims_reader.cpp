#include "credential/jose/claims_reader.h"

namespace mayfly::credential {
namespace {

Reason reason_of_fault(JsonFault fault) noexcept {
  switch (fault) {
    case JsonFault::malformed:
      return Reason::claims;
    case JsonFault::duplicate:
      return Reason::duplicate_claim;
    case JsonFault::missing:
      return Reason::missing_claim;
    case JsonFault::unknown:
    case JsonFault::invalid:
      break;
  }
  return Reason::bad_claim;
}

}  // namespace

CompactJws parse_token(std::string_view text, const JwsRules& rules, Part part) {
  try {
    return parse_compact_jws(text, rules);
  } catch (const JwsError& error) {
    throw Refused(part, reason_of<Reason>(error.fault()), error.what());
  }
}

void read_claims(std::string_view json, std::size_t most, Part part,
                 const std::function<void(JsonObject&)>& read) {
  try {
    const nlohmann::json parsed = parse_json(json, most);
    if (!parsed.is_object()) throw JsonError(JsonFault::malformed, "they are no object");
    JsonObject claims(parsed, "claims");
    read(claims);
  } catch (const JsonError& error) {
    throw Refused(part, reason_of_fault(error.fault()), error.what());
  } catch (const Refused&) {
    throw;
  } catch (const Error& error) {  // a key that is no point of its curve
    throw Refused(part, Reason::bad_claim, error.what());
  }
}

std::uint64_t read_time(JsonObject& claims, const char* name) {
  return claims.number(name, kMaxTime);
}

}  // namespace mayfly::credential
