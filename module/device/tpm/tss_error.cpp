#include "device/tpm/tss_error.h"

#include <array>
#include <cstdio>
#include <tss2/tss2_rc.h>

namespace mayfly::tpm {
namespace {

CK_RV return_value(TSS2_RC rc) noexcept {
  if (!is_from_tpm(rc)) return CKR_DEVICE_REMOVED;
  switch (reason_of(rc)) {
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_OBJECT_HANDLES:
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_SESSION_HANDLES:
    case TPM2_RC_MEMORY:
    case TPM2_RC_NV_SPACE:
      return CKR_DEVICE_MEMORY;
    case TPM2_RC_INITIALIZE:
      return CKR_DEVICE_REMOVED;
    default:
      return CKR_DEVICE_ERROR;
  }
}

/// How to mend it, where that can be said; begins with "; ".
const char* advice(TSS2_RC rc) noexcept {
  if (rc == TSS2_TCTI_RC_TRY_AGAIN) {
    return "; the TPM did not answer within tpm.timeout: look whether it works at all";
  }
  if (!is_from_tpm(rc)) return "; the way to the TPM is broken: look whether it works at all";
  switch (reason_of(rc)) {
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_SESSION_HANDLES:
      return "; others fill the TPM: use a resource manager (tpm.tcti = \"device:/dev/tpmrm0\")";
    case TPM2_RC_LOCKOUT:
      return "; the TPM is in dictionary attack lockout: its owner can end that "
             "(tpm2_dictionarylockout)";
    case TPM2_RC_INITIALIZE:
      return "; the TPM was restarted and nobody has started it up: the firmware does that, or "
             "tpm2_startup";
    case TPM2_RC_NV_SPACE:
      return "; the TPM's NV memory is full";
    default:
      return "";
  }
}

}  // namespace

std::string decode(TSS2_RC rc) {
  std::array<char, 16> number{};
  std::snprintf(number.data(), number.size(), "0x%x", rc);
  return std::string(Tss2_RC_Decode(rc)) + " (" + number.data() + ")";
}

TpmError::TpmError(TSS2_RC rc, const std::string& command)
    : Error(return_value(rc), command + " failed: " + decode(rc) + advice(rc)), code_(rc) {}

bool is_from_tpm(TSS2_RC rc) noexcept {
  const TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
  return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER ||
         layer == TSS2_RESMGR_RC_LAYER;
}

TPM2_RC reason_of(TSS2_RC rc) noexcept {
  const TPM2_RC code = rc & 0xffff;
  // Format one (bit 7) carries six bits of error and, around them, what it speaks of.
  return (code & TPM2_RC_FMT1) != 0 ? code & (TPM2_RC_FMT1 | 0x3f) : code & 0xfff;
}

bool TpmError::is(TPM2_RC reason) const noexcept {
  return is_from_tpm(code_) && reason_of(code_) == reason;
}

bool TpmError::objects_full() const noexcept {
  return is(TPM2_RC_OBJECT_MEMORY) || is(TPM2_RC_OBJECT_HANDLES);
}

bool TpmError::sessions_full() const noexcept {
  return is(TPM2_RC_SESSION_MEMORY) || is(TPM2_RC_SESSION_HANDLES);
}

bool TpmError::names_nothing() const noexcept {
  if (!is_from_tpm(code_)) return false;
  const TPM2_RC reason = reason_of(code_);
  return reason == TPM2_RC_HANDLE ||
         (reason >= TPM2_RC_REFERENCE_H0 && reason <= TPM2_RC_REFERENCE_S6);
}

}  // namespace mayfly::tpm
