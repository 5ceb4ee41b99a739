// One connection to a TPM, and the commands that mayfly gives it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <tss2/tss2_sys.h>
#include <vector>

#include "base/bytes.h"
#include "device/tpm/tcti.h"
#include "device/tpm/tss_error.h"

namespace mayfly::tpm {

/// Which TPM, and how long to wait for it.
struct ConnectionOptions {
  std::string tcti;                         ///< as tss2-tctildr takes it
  std::chrono::milliseconds limit{30'000};  ///< for one command
};

class SaltedSession;

/// One authorisation of a command: a session and what it needs.
struct Authorisation {
  TPMI_SH_AUTH_SESSION session = TPM2_RH_PW;
  ByteView secret;  ///< the entity's authValue, for TPM2_RH_PW and TPM2_PolicyPassword
  /// Proves that the secret is known, instead of sending it; null to send it.
  SaltedSession* proof = nullptr;
  ByteView name{};  ///< of the entity, for the proof
};

/// A connection to a TPM. SAPI gives the commands: it costs microseconds where ESAPI's sessions
/// cost milliseconds.
///
/// The functions are the commands of the TPM by their names; they throw TpmError. One that fails on
/// the way, or whose answer makes no sense, gives the connection up: usable() is then false for
/// good. Not safe to use from several threads: whoever shares it has a mutex.
class Tpm {
 public:
  /// @throws Error CKR_TOKEN_NOT_PRESENT or CKR_DEVICE_REMOVED when the TPM can't be reached.
  explicit Tpm(const ConnectionOptions& options);
  ~Tpm();
  Tpm(const Tpm&) = delete;
  Tpm& operator=(const Tpm&) = delete;

  [[nodiscard]] bool usable() const noexcept { return !tcti_.given_up(); }
  [[nodiscard]] const Traffic& traffic() const noexcept { return tcti_.traffic(); }

  /// For commands that are not below. Wrap each in run().
  [[nodiscard]] TSS2_SYS_CONTEXT* sys() noexcept { return sys_; }

  /// Checks what a command of SAPI returned.
  /// @throws TpmError unless it is TSS2_RC_SUCCESS.
  void run(TSS2_RC rc, const char* command);

  [[nodiscard]] TPMS_TIME_INFO read_clock();
  struct Capability {
    TPMU_CAPABILITIES data{};
    bool more = false;  ///< there are values behind these
  };
  /// One or more values of a capability, from `property` on.
  [[nodiscard]] Capability get_capability(TPM2_CAP capability, std::uint32_t property,
                                          std::uint32_t count);
  /// One property; 0 if the TPM does not tell it.
  [[nodiscard]] std::uint32_t property(TPM2_PT wanted);
  /// All handles of a kind that are in use: TPM2_HR_TRANSIENT, TPM2_HT_LOADED_SESSION << 24, …
  [[nodiscard]] std::vector<TPM2_HANDLE> handles(TPM2_HANDLE first);
  /// Whether the TPM can do with these parameters.
  [[nodiscard]] bool test_parms(const TPMT_PUBLIC_PARMS& parameters);

  struct Created {
    TPM2_HANDLE handle = 0;
    TPM2B_PUBLIC public_area{};
    TPM2B_NAME name{};
  };
  /// A primary key without authorisation value.
  [[nodiscard]] Created create_primary(TPMI_RH_HIERARCHY hierarchy,
                                       const TPM2B_PUBLIC& public_area);
  /// A key under a parent that has no authorisation value. What wraps it is thrown away.
  /// @param protection  Encrypts the secret on its way; null to send it as it is.
  [[nodiscard]] Created create_loaded(TPM2_HANDLE parent, ByteView parent_name,
                                      const TPMT_PUBLIC& public_area, ByteView secret,
                                      SaltedSession* protection);

  struct PublicArea {
    TPM2B_PUBLIC public_area{};
    TPM2B_NAME name{};
    TPM2B_NAME qualified_name{};
  };
  [[nodiscard]] PublicArea read_public(TPM2_HANDLE handle);

  /// A saved context, marshalled.
  [[nodiscard]] Bytes context_save(TPM2_HANDLE handle);
  [[nodiscard]] TPM2_HANDLE context_load(ByteView context);
  void flush_context(TPM2_HANDLE handle);

  [[nodiscard]] TPMI_SH_POLICY start_policy_session();
  void policy_counter_timer(TPMI_SH_POLICY session, ByteView operand, std::uint16_t offset,
                            TPM2_EO operation);
  void policy_password(TPMI_SH_POLICY session);

  // Indices in NV memory, all by the owner, who must have no authorisation value.
  void nv_define_space(const TPMS_NV_PUBLIC& area);
  void nv_undefine_space(TPMI_RH_NV_INDEX index);
  void nv_increment(TPMI_RH_NV_INDEX index);
  [[nodiscard]] Bytes nv_read(TPMI_RH_NV_INDEX index, std::uint16_t size);
  struct NvArea {
    TPMS_NV_PUBLIC area{};
    Bytes name;
  };
  [[nodiscard]] NvArea nv_read_public(TPMI_RH_NV_INDEX index);
  void policy_nv(TPMI_SH_POLICY session, TPMI_RH_NV_INDEX index, ByteView operand,
                 TPM2_EO operation);

  void policy_auth_value(TPMI_SH_POLICY session);

  [[nodiscard]] TPMT_SIGNATURE sign(TPM2_HANDLE key, const Authorisation& authorisation,
                                    ByteView digest, const TPMT_SIG_SCHEME& scheme);

  struct Certified {
    TPM2B_ATTEST info{};
    TPMT_SIGNATURE signature{};
  };
  /// @param signer  Has no authorisation value.
  [[nodiscard]] Certified certify(TPM2_HANDLE key, const Authorisation& authorisation,
                                  TPM2_HANDLE signer, ByteView signer_name, ByteView challenge);

 private:
  void execute(const TSS2L_SYS_AUTH_COMMAND& authorisations, const char* command);

  Tcti tcti_;
  std::vector<std::uint64_t> sys_memory_;
  TSS2_SYS_CONTEXT* sys_ = nullptr;
};

}  // namespace mayfly::tpm
