#include "grant/token.h"

#include "grant/algorithm.h"
#include "grant/grant.h"
#include "grant/refused.h"

namespace mayfly::grant {
namespace {

constexpr std::string_view kTypes[] = {kType};

}  // namespace

CompactJws parse_token(std::string_view text) {
  try {
    return parse_compact_jws(text, {kMaxGrantSize, kTypes, kAlgorithms, false});
  } catch (const JwsError& error) {
    throw Refused(reason_of<Reason>(error.fault()), error.what());
  }
}

}  // namespace mayfly::grant
