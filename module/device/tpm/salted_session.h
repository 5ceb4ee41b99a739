// A session with a TPM that keeps secrets from whoever listens in between.
#pragma once

#include "base/bytes.h"
#include "base/secret.h"
#include "device/tpm/session_crypto.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// The TPM's key to which the secret of a session is sealed, and where it is loaded.
struct SaltKey {
  TPM2_HANDLE handle = 0;
  TPMT_PUBLIC area{};
};

/// SaltedSession models a session whose key only the TPM and this process know. It proves the
/// knowledge of an authorisation value without sending it, encrypts the first parameter of a
/// command, and finds out about an answer that was not the TPM's.
///
/// A failed command may leave the two sides at odds: flush the session then.
class SaltedSession {
 public:
  /// Begins the session in the TPM; whoever made it flushes it.
  /// @param type  TPM2_SE_HMAC or TPM2_SE_POLICY.
  SaltedSession(Tpm& tpm, TPM2_SE type, const SaltKey& key);
  SaltedSession(const SaltedSession&) = delete;
  SaltedSession& operator=(const SaltedSession&) = delete;

  [[nodiscard]] TPMI_SH_AUTH_SESSION handle() const noexcept { return handle_; }

  /// What a command is, for those who compute over it.
  struct Command {
    TPM2_CC code = 0;
    const char* name = "";
    ByteView first_name;   ///< of the entity behind its first handle, which it authorises
    ByteView second_name;  ///< empty: it has one handle. Else its entity has no authorisation value
  };

  /// Executes a command that was prepared, the knowledge of `secret` being what authorises it. Its
  /// answer can be completed then.
  /// @throws TpmError; also, and gives the connection up, if the answer is not the TPM's.
  void authorise(const Command& command, ByteView secret);
  /// The same for a command that is authorised by an empty value, to encrypt its parameter alone.
  void protect(const Command& command);

 private:
  void execute(const Command& command, ByteView secret, bool authorises);
  void encrypt_parameter(ByteView key, ByteView nonce);
  void check_answer(const Command& command, ByteView key, ByteView nonce, std::size_t place);

  Tpm& tpm_;
  TPMI_SH_AUTH_SESSION handle_ = 0;
  SecretBuffer key_{kSessionDigest};
  TPM2B_NONCE tpm_nonce_{};
};

}  // namespace mayfly::tpm
