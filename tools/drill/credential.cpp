// What can be tried with all that a task gave out: its credentials and the proofs for them.
#include "base/clock.h"
#include "base/error.h"
#include "base/pem_signer.h"
#include "base/random.h"
#include "credential/checked_signature.h"
#include "credential/proof/dpop.h"
#include "credential/proof/wpt.h"
#include "credential/refused.h"
#include "credential/ssh/certificate.h"
#include "credential/verify/verify.h"
#include "credential/wit/wit.h"
#include "credential/x509/issuer_certificate.h"
#include "credential/x509/pem.h"
#include "credential/x509/task_certificate.h"
#include "tools/drill/owner.h"

namespace mayfly::drill {
namespace {

using namespace mayfly::credential;

constexpr char kCaptured[] = "all that the task gave out, and its handles, after its end";
constexpr char kProofOnly[] = "an identity token and a proof that he has listened to";
constexpr char kTokenOnly[] = "an identity token that he has listened to";
constexpr char kTarget[] = "https://api.example/invoices";
constexpr std::uint64_t kCredentialLife = 60;

/// A task with an identity token, and a server that believes it.
struct Holder {
  explicit Holder(const Ground& ground)
      : owner(ground), signer(owner), issuer_key(ground.issuer()), wit(issue()) {}

  [[nodiscard]] std::string issue() const {
    const std::uint64_t now = unix_now_s();
    const auto algorithm = jws_algorithm_of(signer.public_key().spec());
    if (!algorithm) throw NotTried("there are no identity tokens for such keys");
    const Wit claims{"https://issuer.example",
                     "spiffe://drill.example/task/drill",
                     random_id("a token's ID"),
                     now,
                     now + kCredentialLife,
                     signer.public_key(),
                     *algorithm,
                     "drill",
                     owner.info().serial,
                     now + kCredentialLife,
                     std::nullopt};
    return issue_wit(claims, "", *issuer_key, claims.issued_at);
  }

  [[nodiscard]] ProofTime time() const { return {unix_now_s(), unix_now_s() + kCredentialLife}; }
  [[nodiscard]] std::string make_wpt_proof() {
    return make_wpt({kTarget, wit, ""}, time(), signer);
  }
  [[nodiscard]] std::string make_dpop_proof(Signer& key) const {
    return make_dpop({"GET", kTarget, wit, ""}, time(), key);
  }

  [[nodiscard]] VerifiedCredential believed() const {
    CredentialExpectations expected;
    expected.clock.now_unix_s = unix_now_s();
    return verify_wit(wit, {published(issuer_key->public_key())}, expected);
  }
  [[nodiscard]] static ProofExpectations expectations(std::uint64_t later = 0) {
    ProofExpectations expected;
    expected.clock.now_unix_s = unix_now_s() + later;
    expected.method = "GET";
    expected.target = kTarget;
    return expected;
  }
  void show_wpt(const std::string& proof, ReplayCache& seen, std::uint64_t later = 0) const {
    verify_wpt(proof, wit, believed(), expectations(later), seen);
  }
  void show_dpop(const std::string& proof, ReplayCache& seen) const {
    ProofExpectations expected = expectations();
    expected.access_token = wit;
    verify_dpop(proof, believed(), expected, seen);
  }

  Owner owner;
  OwnerSigner signer;
  std::unique_ptr<Signer> issuer_key;
  std::string wit;
};

/// The outcome of something that a server or the token must refuse.
template <typename Attack>
Outcome must_fail(const char* done, Attack&& attack) {
  try {
    std::forward<Attack>(attack)();
  } catch (const Error& error) {
    return {Result::held, error.what()};
  }
  return {Result::broken, done};
}

Outcome replay_wit_with_wpt(const Ground& ground) {
  Holder holder(ground);
  MemoryReplayCache seen;
  holder.show_wpt(holder.make_wpt_proof(), seen);
  holder.owner.close_task();
  return must_fail("a server took the token with a new proof",
                   [&] { holder.show_wpt(holder.make_wpt_proof(), seen); });
}

Outcome replay_wit_with_dpop(const Ground& ground) {
  Holder holder(ground);
  MemoryReplayCache seen;
  holder.show_dpop(holder.make_dpop_proof(holder.signer), seen);
  holder.owner.close_task();
  return must_fail("a server took the token with a new proof",
                   [&] { holder.show_dpop(holder.make_dpop_proof(holder.signer), seen); });
}

/// What a server does that a client shows a certificate: it has the key sign something new.
void answer_challenge(Holder& holder) {
  const std::string challenge = random_id("a challenge");
  static_cast<void>(
      checked_signature(holder.signer, holder.owner.session.kind().scheme, as_bytes(challenge)));
}

Outcome replay_x509(const Ground& ground) {
  Holder holder(ground);
  const std::uint64_t now = unix_now_s();
  const Bytes root = x509::make_issuer_certificate("drill.example", *holder.issuer_key, now,
                                                   now + 2 * kCredentialLife);
  const auto issuer = x509::IssuerCertificate::parse(x509::to_pem("CERTIFICATE", root),
                                                     holder.issuer_key->public_key());
  static_cast<void>(x509::make_task_certificate(
      {"drill.example", "drill", holder.owner.info().serial, now, now + kCredentialLife},
      holder.signer.public_key(), issuer, *holder.issuer_key));
  answer_challenge(holder);
  holder.owner.close_task();
  return must_fail("the certificate's key answered a server's challenge",
                   [&] { answer_challenge(holder); });
}

Outcome replay_ssh(const Ground& ground) {
  Holder holder(ground);
  const std::uint64_t now = unix_now_s();
  static_cast<void>(ssh::make_certificate(
      {"drill", holder.owner.info().serial, {"drill"}, now, now + kCredentialLife, {}, {}},
      holder.signer.public_key(), *holder.issuer_key));
  answer_challenge(holder);
  holder.owner.close_task();
  return must_fail("the certificate's key answered a server's challenge",
                   [&] { answer_challenge(holder); });
}

Outcome show_proof_twice(const Ground& ground) {
  Holder holder(ground);
  MemoryReplayCache seen;
  const std::string proof = holder.make_wpt_proof();
  holder.show_wpt(proof, seen);
  return must_fail("a server took the proof twice", [&] { holder.show_wpt(proof, seen); });
}

Outcome show_old_proof(const Ground& ground) {
  Holder holder(ground);
  const std::string proof = holder.make_wpt_proof();
  MemoryReplayCache seen;
  MemoryReplayCache later;  // of another server
  holder.show_wpt(proof, seen);
  return must_fail("a server took the proof after its end",
                   [&] { holder.show_wpt(proof, later, kCredentialLife + 1); });
}

Outcome prove_with_another_key(const Ground& ground) {
  Holder holder(ground);
  MemoryReplayCache seen;
  holder.show_dpop(holder.make_dpop_proof(holder.signer), seen);
  const auto thief = signer_of_pem(as_bytes(new_key_pem()));
  return must_fail("a server took the token with a proof of another key",
                   [&] { holder.show_dpop(holder.make_dpop_proof(*thief), seen); });
}

}  // namespace

std::vector<Scenario> credential_scenarios() {
  using enum Safeguard;
  return {
      {"replay-a-wit-by-wpt",
       kCaptured,
       "shows the identity token with a new workload proof",
       "no proof can be made any more",
       {task_end},
       replay_wit_with_wpt},
      {"replay-a-wit-by-dpop",
       kCaptured,
       "shows the identity token with a new DPoP proof",
       "no proof can be made any more",
       {task_end},
       replay_wit_with_dpop},
      {"replay-a-certificate",
       kCaptured,
       "shows the X.509 certificate, and has its key answer a server's challenge",
       "the key does not answer any more",
       {task_end},
       replay_x509},
      {"replay-an-ssh-certificate",
       kCaptured,
       "shows the SSH certificate, and has its key answer a server's challenge",
       "the key does not answer any more",
       {task_end},
       replay_ssh},
      {"show-a-proof-twice",
       kProofOnly,
       "shows both to the same server once more",
       "the proof is refused: it was seen",
       {proof_replay},
       show_proof_twice},
      {"show-an-old-proof",
       kProofOnly,
       "shows both to another server a minute later",
       "the proof is refused: it is over",
       {proof_end},
       show_old_proof},
      {"prove-with-another-key",
       kTokenOnly,
       "shows it with a proof of his own key",
       "the proof is refused: it is of another key",
       {proof_key},
       prove_with_another_key},
  };
}

}  // namespace mayfly::drill
