#include "grant/token.h"

#include "grant/algorithm.h"
#include "grant/grant.h"
#include "grant/refused.h"

namespace mayfly::grant {
namespace {

constexpr std::string_view kTypes[] = {kType};

Reason reason_of(JwsFault fault) noexcept {
  switch (fault) {
    case JwsFault::too_long:
      return Reason::too_long;
    case JwsFault::malformed:
      return Reason::malformed;
    case JwsFault::header:
      return Reason::header;
    case JwsFault::critical:
      return Reason::critical;
    case JwsFault::key_in_header:
      return Reason::key_in_header;
    case JwsFault::type:
      return Reason::type;
    case JwsFault::algorithm:
      break;
  }
  return Reason::algorithm;
}

}  // namespace

CompactJws parse_token(std::string_view text) {
  try {
    return parse_compact_jws(text, {kMaxGrantSize, kTypes, kAlgorithms, false});
  } catch (const JwsError& error) {
    throw Refused(reason_of(error.fault()), error.what());
  }
}

}  // namespace mayfly::grant
