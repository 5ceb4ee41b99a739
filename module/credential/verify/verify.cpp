#include "credential/verify/verify.h"

#include <algorithm>

#include "base/safeguard.h"
#include "credential/proof/target_uri.h"
#include "credential/verify/checks.h"

namespace mayfly::credential {

VerifiedCredential verify_wit(std::string_view text, const std::vector<PublishedKey>& issuer,
                              const CredentialExpectations& expected) {
  Wit wit = read_wit(text, issuer);
  check_begin(Part::credential, wit.issued_at, expected.clock);
  check_end(Part::credential, wit.expires, expected.clock);
  if (!expected.issuer.empty() && wit.issuer != expected.issuer) {
    throw Refused(Part::credential, Reason::wrong_issuer, "by " + wit.issuer);
  }
  if (!expected.subject.empty() && !is_subject(wit.subject, expected.subject)) {
    throw Refused(Part::credential, Reason::wrong_subject, "for " + wit.subject);
  }
  if (!expected.task_id.empty() && wit.task_id != expected.task_id) {
    throw Refused(Part::credential, Reason::wrong_task, "for " + wit.task_id);
  }
  VerifiedCredential verified{wit.key, jwk_thumbprint(wit.key), wit.subject, wit.expires, {}};
  verified.wit = std::move(wit);
  return verified;
}

void verify_status(const Wit& wit, std::string_view text, const std::vector<PublishedKey>& issuer,
                   const Clock& clock, std::chrono::seconds most_stale) {
  if (!wit.status) throw Refused(Part::credential, Reason::no_status);
  const StatusToken token = read_status_token(text, issuer);
  check_begin(Part::status_list, token.issued_at, clock);
  if (token.expires != 0) check_end(Part::status_list, token.expires, clock);
  const std::chrono::seconds bound =
      token.ttl.count() == 0 ? most_stale : std::min(most_stale, token.ttl);
  if (clock.now_unix_s > token.issued_at + static_cast<std::uint64_t>(bound.count())) {
    throw Refused(Part::status_list, Reason::stale_status,
                  std::to_string(clock.now_unix_s - token.issued_at) + " s old, where " +
                      std::to_string(bound.count()) + " s are allowed");
  }
  // The list of another issuer would be another list, though it has the name.
  if (!token.issuer.empty() && token.issuer != wit.issuer) {
    throw Refused(Part::status_list, Reason::wrong_issuer, "by " + token.issuer);
  }
  if (token.uri != wit.status->uri) {
    throw Refused(Part::status_list, Reason::other_list, "it is " + token.uri);
  }
  const auto status = token.list.at(wit.status->index);
  if (!status) throw Refused(Part::status_list, Reason::not_listed);
  if (*status != static_cast<unsigned>(Status::valid)) {
    throw Refused(Part::credential, Reason::revoked);
  }
}

void verify_attested(const VerifiedCredential& credential, const attestation::Verified& evidence) {
  if (jwk_thumbprint(evidence.key) != credential.thumbprint) {
    throw Refused(Part::attestation, Reason::other_key);
  }
  if (credential.wit && (credential.wit->task_id != evidence.task_id ||
                         credential.wit->task_serial != evidence.serial)) {
    throw Refused(Part::attestation, Reason::wrong_task, "for " + evidence.task_id);
  }
  if (credential.expires > evidence.deadline_unix_s) {
    throw Refused(Part::credential, Reason::valid_too_long,
                  "it would outlive its task by " +
                      std::to_string(credential.expires - evidence.deadline_unix_s) + " s");
  }
}

void verify_dpop(std::string_view text, const VerifiedCredential& credential,
                 const ProofExpectations& expected, ReplayCache& seen) {
  const Dpop proof = read_dpop(text);
  const auto max_life = static_cast<std::uint64_t>(expected.max_life.count());
  check_begin(Part::proof, proof.issued_at, expected.clock);
  if (proof.expires) check_end(Part::proof, *proof.expires, expected.clock);
  if (expected.clock.now_unix_s >= proof.issued_at + max_life) {
    throw Refused(
        Part::proof, Reason::too_old,
        "by " + std::to_string(expected.clock.now_unix_s - proof.issued_at - max_life) + " s");
  }
  if (jwk_thumbprint(proof.key) != credential.thumbprint && kept(Safeguard::proof_key)) {
    throw Refused(Part::proof, Reason::other_key);
  }
  if (proof.method != expected.method) {
    throw Refused(Part::proof, Reason::wrong_method, "for " + proof.method);
  }
  if (!is_same_target(proof.target, expected.target)) {
    throw Refused(Part::proof, Reason::wrong_target, "for " + proof.target);
  }
  check_token_hash(proof.token_hash, expected.access_token);
  if (proof.nonce.value_or("") != expected.nonce) {
    throw Refused(Part::proof, Reason::wrong_nonce);
  }
  check_first(seen, credential.thumbprint, proof.id, proof.issued_at + max_life, expected.clock);
}

void verify_wpt(std::string_view text, std::string_view wit_text,
                const VerifiedCredential& credential, const ProofExpectations& expected,
                ReplayCache& seen) {
  if (!credential.wit) {
    throw Refused(Part::proof, Reason::wrong_credential, "it goes with identity tokens only");
  }
  const Wpt proof = read_wpt(text, *credential.wit);
  const auto skew = static_cast<std::uint64_t>(expected.clock.skew.count());
  const auto max_life = static_cast<std::uint64_t>(expected.max_life.count());
  if (proof.issued_at) check_begin(Part::proof, *proof.issued_at, expected.clock);
  check_end(Part::proof, proof.expires, expected.clock);
  if (proof.expires > expected.clock.now_unix_s + max_life + skew) {
    throw Refused(Part::proof, Reason::valid_too_long,
                  std::to_string(proof.expires - expected.clock.now_unix_s) + " s");
  }
  const bool for_us = expected.audience.empty() ? is_same_target(proof.audience, expected.target)
                                                : proof.audience == expected.audience;
  if (!for_us) throw Refused(Part::proof, Reason::wrong_audience, "for " + proof.audience);
  check_token_hash(proof.token_hash, expected.access_token);
  if (proof.wit_hash != token_hash(wit_text)) throw Refused(Part::proof, Reason::wrong_credential);
  check_first(seen, credential.thumbprint, proof.id, proof.expires, expected.clock);
}

}  // namespace mayfly::credential
