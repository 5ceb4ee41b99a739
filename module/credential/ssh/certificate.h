// OpenSSH user certificates (PROTOCOL.certkeys of OpenSSH; draft-miller-ssh-cert).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/signer.h"

namespace mayfly::ssh {

/// What a certificate says beside the key. Its key ID, which servers log, is the task's ID and the
/// serial of its token: "TASK (SERIAL)".
struct TaskCertificate {
  std::string task_id;
  std::string serial;                   ///< the token's, 16 hexadecimal digits: its number, too
  std::vector<std::string> principals;  ///< the users that it logs in, at least one
  std::uint64_t valid_after_unix_s = 0;
  std::uint64_t valid_before_unix_s = 0;  ///< the first second in which it is not valid any more
  /// "force-command", "source-address", "verify-required": a server that does not know one refuses.
  std::map<std::string, std::string> critical_options;
  std::vector<std::string> extensions;  ///< what it permits: "permit-pty" and its like
};

/// Makes one and verifies its signature.
/// @return a line as a file of the name KEY-cert.pub holds it, without its end.
/// @throws Error CKR_ARGUMENTS_BAD for one without principals (it would be good for all users),
///         that would never be valid, or holds control characters or unknown options;
///         CKR_DEVICE_ERROR for a signature that is none, and what Signer::sign() throws.
[[nodiscard]] std::string make_certificate(const TaskCertificate& wanted, const PublicKey& key,
                                           Signer& issuer);

/// A public key as a line of authorized_keys, without a comment.
[[nodiscard]] std::string public_key_line(const PublicKey& key);

}  // namespace mayfly::ssh
