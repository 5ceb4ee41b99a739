// A TPM that makes evidence as a test wants it: good, or genuinely signed and wrong.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tss2/tss2_esys.h>

#include "credential/attestation/evidence.h"
#include "support/swtpm.h"

namespace mayfly::test {

/// What a test can have otherwise than it should be. The default makes good evidence.
struct Recipe {
  enum class Key { p256, p384, rsa2048 };
  enum class Policy {
    whole,            ///< time, reset counters, counter where there is one, password
    without_resets,   ///< the time alone, which starts again with each sleep of the machine
    by_clock,         ///< TPMS_TIME_INFO.clock instead of time, which TPM2_Clear sets back
    after_the_time,   ///< a comparison the wrong way round: only after the deadline
    without_password  ///< whoever can reach the TPM can use the key
  };

  Key key = Key::p256;
  Key attestation_key = Key::p256;
  bool rsa_pss = false;  ///< an RSA attestation key by RSAPSS instead of RSASSA
  bool hardware_deadline = true;
  bool kill_switch = false;
  Policy policy = Policy::whole;

  ESYS_TR key_hierarchy = ESYS_TR_RH_NULL;
  ESYS_TR attestation_hierarchy = ESYS_TR_RH_ENDORSEMENT;
  TPMA_OBJECT key_extra = 0;    ///< attributes that the key has besides
  TPMA_OBJECT key_without = 0;  ///< attributes that it lacks
  TPMA_OBJECT attestation_extra = 0;
  TPMA_OBJECT attestation_without = 0;

  std::uint64_t seconds_left = 900;
  std::optional<std::uint64_t> chip_ms_left;  ///< nothing: as much as seconds_left
  std::string task_id = "invoice-4711";
  Bytes nonce = Bytes(16, 0x5a);
  std::optional<Bytes> time_nonce;  ///< what the statement of time is over, if another
  std::uint32_t wrong_resets = 0;   ///< added to the pinned resetCount
};

/// The wall clock of the evidence: any will do, since nothing here asks the real one.
inline constexpr std::uint64_t kMadeAt = 1'700'000'000;

/// One connection to a TPM, without any code of the module's own that speaks to TPMs.
class AttestingTpm {
 public:
  explicit AttestingTpm(const std::string& tcti);
  ~AttestingTpm();
  AttestingTpm(const AttestingTpm&) = delete;
  AttestingTpm& operator=(const AttestingTpm&) = delete;

  [[nodiscard]] attestation::Evidence make(const Recipe& recipe);

  /// The policy of the claim as the TPM itself computes it, in a trial session.
  [[nodiscard]] Bytes trial_policy(const attestation::PolicyClaim& claim, Recipe::Policy policy);

  /// A new counter index, with a value.
  [[nodiscard]] attestation::KillSwitch make_counter();

 private:
  /// An object in the TPM, flushed when it goes out of scope.
  class Object {
   public:
    Object(ESYS_CONTEXT* esys, ESYS_TR handle, Bytes public_area)
        : esys_(esys), handle_(handle), public_area_(std::move(public_area)) {}
    ~Object() { Esys_FlushContext(esys_, handle_); }
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

    [[nodiscard]] ESYS_TR handle() const noexcept { return handle_; }
    [[nodiscard]] const Bytes& public_area() const noexcept { return public_area_; }

   private:
    ESYS_CONTEXT* esys_;
    ESYS_TR handle_;
    Bytes public_area_;
  };

  [[nodiscard]] TPMS_TIME_INFO now();
  [[nodiscard]] Object make_primary(ESYS_TR hierarchy, const TPMT_PUBLIC& area);
  [[nodiscard]] Object make_key(const Recipe& recipe, ESYS_TR parent, const Bytes& policy);
  [[nodiscard]] attestation::Statement certify(ESYS_TR key, ESYS_TR signer, const Bytes& data);
  [[nodiscard]] attestation::Statement state_time(ESYS_TR signer, const Bytes& data);

  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  ESYS_CONTEXT* esys_ = nullptr;
  TPMI_RH_NV_INDEX next_index_ = 0x01800000;
};

}  // namespace mayfly::test
