#include "verifier/verifier.h"

#include "credential/proof/target_uri.h"
#include "credential/verify/verify_certificate.h"

namespace mayfly::verifier {
namespace {

using credential::VerifiedCredential;

bool is_pem(const std::string& text) { return text.find("-----BEGIN ") != text.npos; }

[[noreturn]] void refuse_proof(credential::Reason reason, const std::string& detail) {
  throw credential::Refused(credential::Part::proof, reason, detail);
}

/// Whether there must be a proof, since something is expected of it: who sends the request would
/// else choose that it is not looked at.
bool expects_proof(const credential::ProofExpectations& expected) {
  return !expected.nonce.empty() || !expected.audience.empty() || !expected.access_token.empty();
}

/// What must be there for a proof to be one of this request. What is expected and no proof of that
/// kind carries is not passed over.
void require_request(const Request& request) {
  const credential::ProofExpectations& expected = request.expected;
  const bool is_wpt = !request.wpt.empty();
  if (is_wpt && !expected.nonce.empty()) {
    refuse_proof(credential::Reason::wrong_nonce, "workload proof tokens carry none");
  }
  if (!is_wpt && !expected.audience.empty()) {
    throw BadCall("audience is for workload proof tokens: leave it out");
  }
  if (is_wpt && expected.target.empty() == expected.audience.empty()) {
    throw BadCall("say for which request a workload proof token is: by url or by audience");
  }
  if (is_wpt && expected.target.empty()) return;
  if (!credential::parse_target_uri(expected.target)) {
    throw BadCall("url is not an absolute http or https URI");
  }
  if (!is_wpt && !credential::is_http_method(expected.method)) {
    throw BadCall("method is none that HTTP has, such as GET");
  }
}

}  // namespace

Verifier::Verifier(Settings settings) : settings_(std::move(settings)) {
  if (settings_.issuer_keys.empty() && settings_.roots.empty()) {
    throw BadCall("say whom to trust: issuer_keys for tokens, roots for certificates");
  }
  if (!settings_.roots.empty() && settings_.status_list) {
    throw BadCall("certificates have no status list: a verifier for them has MAYFLY_NO_STATUS");
  }
}

VerifiedCredential Verifier::verify(const Request& request) {
  const int proofs = (request.dpop.empty() ? 0 : 1) + (request.wpt.empty() ? 0 : 1) +
                     (request.http.input.empty() ? 0 : 1);
  if (proofs > 1) {
    refuse_proof(credential::Reason::malformed, "there is more than one");
  }
  if (proofs == 0 && (settings_.needs_proof || expects_proof(request.expected))) {
    refuse_proof(credential::Reason::malformed, "there is none");
  }
  if (proofs == 1) require_request(request);
  VerifiedCredential verified = verify_credential(request);
  check_status(verified, request.expected.clock);
  if (proofs == 1) verify_proof(request, verified);
  return verified;
}

VerifiedCredential Verifier::verify_credential(const Request& request) const {
  const credential::CredentialExpectations expected{request.expected.clock, settings_.issuer,
                                                    settings_.subject, request.task_id};
  if (!is_pem(request.credential)) {
    if (settings_.issuer_keys.empty()) {
      throw credential::Refused(credential::Part::key_set, credential::Reason::no_keys,
                                "tokens are not expected here");
    }
    return verify_wit(request.credential, settings_.issuer_keys, expected);
  }
  if (settings_.roots.empty()) {
    throw credential::Refused(credential::Part::credential, credential::Reason::chain,
                              "certificates are not expected here");
  }
  if (!settings_.issuer.empty() || !request.task_id.empty()) {
    throw BadCall(
        "a certificate names its issuer by its chain and its task by its URI: leave out "
        "issuer and task, and say subject");
  }
  return verify_certificate(request.credential, settings_.roots, expected);
}

void Verifier::check_status(const VerifiedCredential& verified,
                            const credential::Clock& clock) const {
  if (!settings_.status_list) return;
  const credential::Wit& wit = verified.wit.value();
  if (!wit.status) {
    throw credential::Refused(credential::Part::credential, credential::Reason::no_status);
  }
  verify_status(wit, settings_.status_list(wit.status->uri), settings_.issuer_keys, clock,
                settings_.max_stale);
}

void Verifier::verify_proof(const Request& request, const VerifiedCredential& verified) {
  credential::MemoryReplayCache once;
  credential::ReplayCache& seen = settings_.seen ? *settings_.seen : once;
  if (!request.dpop.empty()) {
    verify_dpop(request.dpop, verified, request.expected, seen);
  } else if (!request.wpt.empty()) {
    verify_wpt(request.wpt, request.credential, verified, request.expected, seen);
  } else {
    verify_http(request.http, verified, request.expected, seen);
  }
}

}  // namespace mayfly::verifier
