#include "credential/attestation/checks.h"

#include "base/task_binding.h"
#include "credential/attestation/policy.h"
#include "credential/attestation/refused.h"

namespace mayfly::attestation {

void check_signature(const Statement& statement, const PublicArea& attestation_key) {
  const TpmSignature signature = parse_signature(statement.signature, attestation_key.key);
  if (signature.scheme != attestation_key.scheme) {
    throw Refused("signature", "was made in another way than the attestation key has");
  }
  SignatureScheme scheme{signature.scheme.scheme, signature.scheme.hash, Hash::none, 0};
  if (scheme.scheme == Scheme::rsa_pss) {
    scheme.mgf_hash = scheme.hash;
    scheme.salt_size = digest_size(scheme.hash);
  }
  if (!attestation_key.key.verify(scheme, digest(scheme.hash, statement.info), signature.bytes)) {
    throw Refused("signature", "is not one of the attestation key over what it should have signed");
  }
}

void check_header(const AttestHeader& header, const PublicArea& attestation_key,
                  ByteView challenge) {
  if (header.qualified_signer != qualified_name(attestation_key, kEndorsementHierarchy)) {
    throw Refused("signer",
                  "is not this attestation key as a primary of the endorsement hierarchy");
  }
  if (!equal(header.extra_data, challenge)) {
    throw Refused("qualifying data", "is not over this task, this key and this nonce");
  }
}

void check_parent(const PublicArea& parent) {
  static constexpr std::uint32_t kNeeded =
      kFixedTpm | kFixedParent | kSensitiveDataOrigin | kRestricted | kDecrypt;
  if ((parent.attributes & kNeeded) != kNeeded || (parent.attributes & kSign) != 0) {
    throw Refused("parent", "is no key that only wraps keys inside its TPM");
  }
}

void check_names(const CertifyInfo& info, const PublicArea& key, const PublicArea& parent) {
  if (info.name != key.name) throw Refused("name", "the statement is about another key");
  if (info.qualified_name != qualified_name(key, qualified_name(parent, kNullHierarchy))) {
    throw Refused("qualified name", "the key is not below this parent in the null hierarchy");
  }
}

void check_key_attributes(const PublicArea& key, bool has_policy) {
  static constexpr char kCheck[] = "key attributes";
  static constexpr std::uint32_t kNeeded = kFixedTpm | kFixedParent | kSensitiveDataOrigin | kSign;
  // Neither lengthens what a key may do: they say what resets it and what a wrong value costs.
  static constexpr std::uint32_t kHarmless = kNoDa | kStClear;
  if (key.name_hash != Hash::sha256) throw Refused(kCheck, "the key's name is not by SHA-256");
  if ((key.attributes & (kFixedTpm | kFixedParent)) != (kFixedTpm | kFixedParent)) {
    throw Refused(kCheck, "the key could leave its TPM");
  }
  if ((key.attributes & kSensitiveDataOrigin) == 0) {
    throw Refused(kCheck, "the key may have been made outside the TPM");
  }
  if ((key.attributes & kSign) == 0) throw Refused(kCheck, "the key does not sign");
  if (has_policy && (key.attributes & kUserWithAuth) != 0) {
    throw Refused(kCheck, "the key can be used past its policy");
  }
  // Where a policy is claimed, the authorisation value alone was ruled out above.
  if ((key.attributes & ~(kNeeded | kHarmless | kUserWithAuth)) != 0) {
    throw Refused(kCheck, "the key may do something that a task's key never does");
  }
}

void check_policy(const PublicArea& key, const PolicyClaim& claim, ByteView bound_digest) {
  const Bytes expected = policy_digest(claim, key.name_hash);
  if (key.policy != expected) throw Refused("policy", "the key's policy is not the claimed one");
  const Bytes bound = expected.empty() ? Bytes(kBindingDigestSize, 0) : expected;
  if (!equal(bound, bound_digest)) throw Refused("policy", "the task is bound to another policy");
}

void check_clock(const ClockInfo& clock, const HardwareDeadline& deadline) {
  if (clock.resets != deadline.resets || clock.restarts != deadline.restarts) {
    throw Refused("clock", "the TPM was reset, or slept, since the key was made");
  }
}

}  // namespace mayfly::attestation
