// The checks of evidence, one by one. Each throws a Refused that names it.
#pragma once

#include "credential/attestation/evidence.h"
#include "credential/attestation/tpm_structures.h"

namespace mayfly::attestation {

/// "signature": one of the key over a statement, in the one way that the key has.
void check_signature(const Statement& statement, const PublicArea& attestation_key);

/// "signer" and "qualifying data": the key signed as a primary of the endorsement hierarchy (for
/// others the TPM blurs its reset counters), and over the challenge.
void check_header(const AttestHeader& header, const PublicArea& attestation_key,
                  ByteView challenge);

/// "parent": a primary that wraps keys, made in the TPM and fixed to it.
void check_parent(const PublicArea& parent);

/// "name" and "qualified name": the statement is about this key, below this parent, in the null
/// hierarchy, which ends with each reset of the TPM.
void check_names(const CertifyInfo& info, const PublicArea& key, const PublicArea& parent);

/// "key attributes": made in the TPM, fixed to it, signs, does nothing else; its authorisation
/// value alone is enough only where no policy is claimed.
void check_key_attributes(const PublicArea& key, bool has_policy);

/// "policy": the key's policy is the one claimed, and the one bound.
void check_policy(const PublicArea& key, const PolicyClaim& claim, ByteView bound_digest);

/// "clock": the TPM was not reset since the key was made.
void check_clock(const ClockInfo& clock, const HardwareDeadline& deadline);

}  // namespace mayfly::attestation
