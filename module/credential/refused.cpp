#include "credential/refused.h"

#include <array>

namespace mayfly::credential {
namespace {

struct ReasonRow {
  Reason reason;
  std::string_view name;
  std::string_view text;
};

constexpr std::array<ReasonRow, 40> kReasons = {{
    {Reason::too_long, "too-long", "it is longer than any such text"},
    {Reason::malformed, "malformed", "it is not written as it must be"},
    {Reason::header, "header", "its header is not one of such a token"},
    {Reason::critical, "critical", "its header has the member crit, which is not allowed"},
    {Reason::key_in_header, "key-in-header", "its header brings or names a key of its own"},
    {Reason::type, "type", "its typ is another"},
    {Reason::algorithm, "algorithm", "its algorithm is none that is allowed for the key"},
    {Reason::no_keys, "no-keys", "the issuer's keys can't be used"},
    {Reason::unknown_key, "unknown-key", "none of the issuer's keys can have signed it"},
    {Reason::wrong_key_type, "wrong-key-type", "its alg does not fit the key that it names"},
    {Reason::bad_signature, "bad-signature", "its signature is not one of the key"},
    {Reason::claims, "claims", "its claims are no JSON object"},
    {Reason::duplicate_claim, "duplicate-claim", "it has a claim twice"},
    {Reason::missing_claim, "missing-claim", "it lacks a claim"},
    {Reason::bad_claim, "bad-claim", "it has a claim with a value that can't be"},
    {Reason::issued_in_future, "issued-in-future", "it was made in the future"},
    {Reason::too_early, "too-early", "it is not valid yet"},
    {Reason::expired, "expired", "it has expired"},
    {Reason::too_old, "too-old", "it was made too long ago"},
    {Reason::valid_too_long, "valid-too-long", "it is valid for longer than is allowed"},
    {Reason::wrong_issuer, "wrong-issuer", "it is by another issuer"},
    {Reason::wrong_subject, "wrong-subject", "it is for another workload"},
    {Reason::wrong_task, "wrong-task", "it is for another task"},
    {Reason::other_key, "other-key", "it is of another key than the credential names"},
    {Reason::wrong_audience, "wrong-audience", "it is for another recipient"},
    {Reason::wrong_method, "wrong-method", "it is for another HTTP method"},
    {Reason::wrong_target, "wrong-target", "it is for another URI"},
    {Reason::wrong_content, "wrong-content", "it does not cover the message as it came"},
    {Reason::wrong_token, "wrong-token", "it is for another access token"},
    {Reason::wrong_credential, "wrong-credential", "it is for another credential"},
    {Reason::wrong_nonce, "wrong-nonce", "it has not the nonce that was given out"},
    {Reason::replayed, "replayed", "it was seen before"},
    {Reason::no_status, "no-status", "it does not say where its status stands"},
    {Reason::unreachable, "unreachable", "it could not be fetched"},
    {Reason::stale_status, "stale-status", "it is older than is allowed"},
    {Reason::other_list, "other-list", "it is not the list that the credential names"},
    {Reason::not_listed, "not-listed", "it ends before the credential's place"},
    {Reason::revoked, "revoked", "it holds no more: its task has ended"},
    {Reason::chain, "chain", "it does not lead to the issuer"},
    {Reason::not_attested, "not-attested", "the device's evidence does not hold"},
}};

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if (static_cast<std::size_t>(kReasons[i].reason) != i) return false;
  }
  return true;
}
static_assert(rows_are_in_order() && kReasons.back().reason == Reason::not_attested);

const ReasonRow& reason_row(Reason reason) noexcept {
  return kReasons[static_cast<std::size_t>(reason)];
}

constexpr std::array<std::string_view, 5> kParts = {"credential", "proof", "status-list", "key-set",
                                                    "attestation"};
static_assert(static_cast<std::size_t>(Part::attestation) + 1 == kParts.size());

/// "status list": a part's name, for people.
std::string part_text(Part part) {
  std::string text(name_of(part));
  for (char& c : text) c = c == '-' ? ' ' : c;
  return text;
}

std::string refusal_text(Part part, Reason reason, const std::string& detail) {
  std::string text = "the " + part_text(part) + " is refused: " + std::string(text_of(reason));
  if (!detail.empty()) text += ": " + detail;
  return text;
}

}  // namespace

std::string_view name_of(Part part) noexcept { return kParts[static_cast<std::size_t>(part)]; }
std::string_view name_of(Reason reason) noexcept { return reason_row(reason).name; }
std::string_view text_of(Reason reason) noexcept { return reason_row(reason).text; }

Refused::Refused(Part part, Reason reason, const std::string& detail)
    : Error(CKR_SIGNATURE_INVALID, refusal_text(part, reason, detail)),
      part_(part),
      reason_(reason) {}

}  // namespace mayfly::credential
