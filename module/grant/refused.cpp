#include "grant/refused.h"

#include <array>

namespace mayfly::grant {
namespace {

struct ReasonRow {
  Reason reason;
  std::string_view name;
  std::string_view text;
};

constexpr std::array<ReasonRow, 25> kReasons = {{
    {Reason::too_long, "too-long", "it is longer than 8 KiB"},
    {Reason::malformed, "malformed", "it is no JWS of three parts in base64url"},
    {Reason::header, "header", "its header is not one of a grant"},
    {Reason::critical, "critical", "its header has the member crit, which is not allowed"},
    {Reason::key_in_header, "key-in-header", "its header brings or names a key of its own"},
    {Reason::type, "type", "its typ is not mayfly-grant+jwt"},
    {Reason::algorithm, "algorithm", "its alg is none of ES256, ES384, EdDSA and PS256"},
    {Reason::no_approvers, "no-approvers", "the approvers' keys can't be used"},
    {Reason::unknown_approver, "unknown-approver", "no trusted approver can have signed it"},
    {Reason::wrong_key_type, "wrong-key-type", "its alg does not fit the approver's key"},
    {Reason::bad_signature, "bad-signature", "its signature is not one of a trusted approver"},
    {Reason::claims, "claims", "its claims are no JSON object"},
    {Reason::duplicate_claim, "duplicate-claim", "it has a claim twice"},
    {Reason::missing_claim, "missing-claim", "it lacks a claim"},
    {Reason::unknown_claim, "unknown-claim", "it has a claim that is not known here"},
    {Reason::bad_claim, "bad-claim", "it has a claim with a value that can't be"},
    {Reason::issued_in_future, "issued-in-future", "it was issued in the future"},
    {Reason::too_early, "too-early", "it is not valid yet"},
    {Reason::expired, "expired", "it has expired"},
    {Reason::valid_too_long, "valid-too-long", "it is valid for longer than grants.max-life"},
    {Reason::ttl_too_long, "ttl-too-long", "its task would live for longer than task.max-ttl"},
    {Reason::wrong_audience, "wrong-audience", "it is not for this broker"},
    {Reason::wrong_task, "wrong-task", "it is for another task"},
    {Reason::wrong_parent, "wrong-parent", "it is for another place below other tasks"},
    {Reason::spent, "spent", "it has opened its task before"},
}};

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if (static_cast<std::size_t>(kReasons[i].reason) != i) return false;
  }
  return true;
}
static_assert(rows_are_in_order() && kReasons.back().reason == Reason::spent);

const ReasonRow& row_of(Reason reason) noexcept {
  return kReasons[static_cast<std::size_t>(reason)];
}

std::string message(Reason reason, const std::string& detail) {
  std::string text = "the grant is refused: " + std::string(text_of(reason));
  if (!detail.empty()) text += ": " + detail;
  return text;
}

}  // namespace

std::string_view name_of(Reason reason) noexcept { return row_of(reason).name; }
std::string_view text_of(Reason reason) noexcept { return row_of(reason).text; }

CK_RV rv_of(Reason reason) noexcept {
  return reason == Reason::expired || reason == Reason::spent ? CKR_PIN_EXPIRED : CKR_PIN_INCORRECT;
}

Refused::Refused(Reason reason, const std::string& detail)
    : Error(rv_of(reason), message(reason, detail)), reason_(reason) {}

}  // namespace mayfly::grant
