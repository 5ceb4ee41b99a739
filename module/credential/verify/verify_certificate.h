// Whether a task's X.509 certificate holds, here and now.
#pragma once

#include <string>

#include "credential/verify/verify.h"

namespace mayfly::credential {

/// Verifies a certificate, which has no status list: that it leads to a root, is no authority of
/// its own, is good for signatures, names one workload by a URI, and is valid now. Of the
/// expectations, the issuer and the task are not looked at: the chain is the issuer, and the URI
/// names the task.
/// @param pem    The certificate, then those that it leads over, if any.
/// @param roots  PEM: one or more certificates of issuers that are trusted.
/// @throws Refused with Part::credential: malformed, chain, bad_claim, too_early, expired or
///         wrong_subject; Error CKR_ARGUMENTS_BAD when `roots` holds no certificate.
[[nodiscard]] VerifiedCredential verify_certificate(const std::string& pem,
                                                    const std::string& roots,
                                                    const CredentialExpectations& expected);

}  // namespace mayfly::credential
